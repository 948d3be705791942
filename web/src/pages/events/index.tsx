/** What happened, and the daemons' logs. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Events & logs" />
    </PageBody>
  );
}
