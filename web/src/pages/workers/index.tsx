/** The processes that run models. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="Workers" />
    </PageBody>
  );
}
