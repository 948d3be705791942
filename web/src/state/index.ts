/**
 * What pages take from the state stream. Import from here, never from the files beside it.
 *
 * `startStream()` is called once by the app's root; everything else only reads.
 */
export * from "./types";
export {
  useColony,
  useConnection,
  useKnown,
  useNewVersion,
  useRow,
  useStale,
  useTable,
  useTick,
} from "./hooks";
export { history, latest, onTick, watchedS } from "./history";
export { getRow, getTable, isStale, serverNow } from "./store";
export { reconnectNow, startStream, stopStream } from "./stream";
