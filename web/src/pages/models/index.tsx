/** Which models there are, and where. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Models" />
    </PageBody>
  );
}
