/** What waits, what runs, and why where. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Requests" />
    </PageBody>
  );
}
