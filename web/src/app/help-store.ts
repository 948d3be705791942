/** Whether the sheet of keys is open; apart from the sheet, which loads when it is first asked for. */
import { create } from "zustand";

export const useHelp = create<{ open: boolean }>(() => ({ open: false }));

export function openHelp(open = true): void {
  useHelp.setState({ open });
}
