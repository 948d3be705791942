/** What pages use of the frame around them. */
export { registerCommand, useCommands, type Command } from "./commands";
export { confirm } from "./confirm";
export { useShortcut } from "./shortcuts";
export { useTheme } from "./theme";
export { toast } from "./toasts";
export { useUrlState } from "./url";
