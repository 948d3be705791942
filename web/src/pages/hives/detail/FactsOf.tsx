/** Names, addresses, how it belongs to the colony, and which way the queen and it speak. */
import type { HiveRow } from "@/state";
import { Copyable, dateOf, Facts, format, Time, useNow } from "@/ui";

import type { Member } from "../members";
import { Section } from "./Section";

export function FactsOf({ hive, member }: { hive: HiveRow; member: Member | undefined }) {
  const address = hive.address === null ? null : `${hive.address}:${hive.port ?? format.UNKNOWN}`;
  const expires = hive.expires_at ?? member?.expires_at ?? null;
  return (
    <>
      <Section title="Link and routes">
        <p className="mb-2 text-muted">{wayWords(hive)}</p>
        <Facts
          items={[
            ["Speaks by", wayName(hive.route)],
            ["Address", address ? <Copyable text={address} /> : format.UNKNOWN],
            [
              "Encrypted",
              hive.local
                ? "not needed: it never leaves the machine"
                : hive.tls || hive.route === "link"
                  ? "TLS, by the colony's own CA"
                  : "no",
            ],
            [
              "Opens a port",
              hive.outbound_only ? "none: it only dials out" : "yes, for its queen and other hives",
            ],
          ]}
        />
      </Section>
      <Section title="Membership">
        <Facts
          items={[
            ["Id", <Copyable key="id" text={hive.hive_id} />],
            ["Host name", format.text(hive.hostname)],
            ["Version", format.text(hive.version)],
            ["Belongs by", belongs(hive.membership)],
            member?.joined_by ? ["Let in by", member.joined_by] : null,
            ["Joined", <Time key="joined" at={member?.joined_at ?? hive.joined_at} />],
            expires === null ? null : ["Certificate ends", <Until key="until" at={expires} />],
            ["Labels", hive.labels.length > 0 ? hive.labels.join(", ") : format.UNKNOWN],
          ]}
        />
      </Section>
    </>
  );
}

function Until({ at }: { at: number }) {
  const left = at - useNow(60);
  return (
    <span title={dateOf(at)}>{left > 0 ? `in ${format.duration(left)}, renewed by itself` : "expired"}</span>
  );
}

function belongs(membership: HiveRow["membership"]): string {
  switch (membership) {
    case "certificate":
      return "a certificate of the colony's CA";
    case "revoked":
      return "nothing any more: it was shut out";
    default:
      return "no certificate (the queen's own machine, or the colony's key)";
  }
}

function wayName(route: HiveRow["route"]): string {
  switch (route) {
    case "local":
      return "loopback, on one machine";
    case "link":
      return "the link that it opened to the queen";
    case "direct":
      return "its address, called by the queen";
    default:
      return format.UNKNOWN;
  }
}

function wayWords(hive: HiveRow): string {
  if (hive.local) return "It runs beside the queen, so nothing crosses a network.";
  if (hive.outbound_only)
    return "It opened one connection to the queen and takes none: requests reach its workers through that tunnel. That works behind any router.";
  if (hive.route === "link")
    return "Beats and commands go over the link that it opened. Requests go straight to a worker where the queen has proved that way, else through the link.";
  return "It has opened no link: the queen calls it at its address.";
}
