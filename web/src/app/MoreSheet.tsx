/** All pages, from the tab bar of a phone. */
import { Sheet } from "@/ui";

import { NavList } from "./Nav";
import { NavFoot } from "./NavFoot";

export function MoreSheet({ onClose }: { onClose: () => void }) {
  return (
    <Sheet open onOpenChange={onClose} title="All pages">
      <div className="flex min-h-full flex-col justify-between gap-6">
        <NavList onGo={onClose} />
        <NavFoot onGo={onClose} />
      </div>
    </Sheet>
  );
}
