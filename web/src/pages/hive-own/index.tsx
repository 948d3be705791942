/** A hive's own page, served by the hive itself. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="This hive" />
    </PageBody>
  );
}
