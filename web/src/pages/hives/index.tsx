/** The machines of the colony. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Hives" />
    </PageBody>
  );
}
