/** The live picture of the colony: `<Topology />`. */
export { HoneyHex } from "./HoneyHex";
export { hiveHealth, honeyOf, shortName, type Health } from "./model";
export { Topology, type TopologyProps } from "./Topology";
