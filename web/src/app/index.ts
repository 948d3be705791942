/** What pages use of the frame around them. */
export { useCommands } from "./commands";
export { confirm } from "./confirm";
export { useShortcut } from "./shortcuts";
export { toast } from "./toasts";
export { useUrlState } from "./url";
