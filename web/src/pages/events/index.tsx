/** What happened in the colony, live, and the daemons' and workers' logs: `/events`, `/events?tab=logs&log=hive:ID`. */
import { useUrlState } from "@/app";
import { PageBody, PageHeader, Segmented } from "@/ui";
import { EventList } from "./EventList";
import { LogPane } from "./LogPane";

export function Page() {
  const [tab, setTab] = useUrlState("tab", "events");
  return (
    <PageBody>
      <PageHeader
        title="Events & logs"
        note={tab === "logs" ? "Of the queen, the hives and the workers" : "The last thousand, newest first"}
        actions={
          <Segmented
            label="What to show"
            value={tab === "logs" ? "logs" : "events"}
            onChange={setTab}
            options={[
              { value: "events", label: "Events" },
              { value: "logs", label: "Logs" },
            ]}
          />
        }
      />
      {tab === "logs" ? <LogPane /> : <EventList />}
    </PageBody>
  );
}
