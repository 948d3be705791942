/** The queen's settings. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Settings" />
    </PageBody>
  );
}
