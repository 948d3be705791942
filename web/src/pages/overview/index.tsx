/** What the whole colony does right now: the first page that people see. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Overview" />
    </PageBody>
  );
}
