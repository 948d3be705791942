/** Talking to the models of the colony. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Chat" />
    </PageBody>
  );
}
