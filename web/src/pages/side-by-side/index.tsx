/** The queen's, a hive's and a worker's own pages beside each other. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Side by side" />
    </PageBody>
  );
}
