/** Keys of the API, and how to call it. */
import { PageBody, PageHeader } from "@/ui";

export function Page() {
  return (
    <PageBody>
      <PageHeader title="API & keys" />
    </PageBody>
  );
}
