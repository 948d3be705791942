/** The foot of the navigation: keys, theme, and in which state the connection is. */
import { Keyboard, LogOut, Monitor, Moon, Sun } from "lucide-react";

import { signOut, useSession } from "@/api";
import { cn, IconButton, Menu } from "@/ui";

import { ConnectionDot } from "./ConnectionBanner";
import { openHelp } from "./Help";
import { setTheme, useTheme, type ThemeWish } from "./theme";

const WISHES: { wish: ThemeWish; label: string; icon: typeof Sun }[] = [
  { wish: "system", label: "As the system", icon: Monitor },
  { wish: "light", label: "Light", icon: Sun },
  { wish: "dark", label: "Dark", icon: Moon },
];

export function ThemeMenu() {
  const { wish, shown } = useTheme();
  return (
    <Menu
      align="start"
      trigger={<IconButton label="Theme" icon={shown === "dark" ? <Moon /> : <Sun />} size="sm" />}
      items={[
        { heading: "Theme" },
        ...WISHES.map((each) => ({
          label: each.label,
          icon: <each.icon />,
          checked: each.wish === wish,
          onSelect: () => setTheme(each.wish),
        })),
      ]}
    />
  );
}

/** Only where somebody signed in with a key: on the queen's own machine nobody has to. */
function SignOut() {
  const signedIn = useSession((session) => session.signedIn);
  if (!signedIn) return null;
  return <IconButton label="Sign out" icon={<LogOut />} size="sm" onClick={() => void signOut()} />;
}

export function NavFoot({ slim = false, onGo }: { slim?: boolean; onGo?: () => void }) {
  return (
    <div className={cn("flex items-center gap-1", slim && "flex-col")}>
      <ConnectionDot slim={slim} />
      <span className={slim ? "hidden" : "flex-1"} />
      <SignOut />
      <ThemeMenu />
      <IconButton
        label="Keyboard shortcuts"
        keys="?"
        icon={<Keyboard />}
        size="sm"
        onClick={() => {
          onGo?.();
          openHelp();
        }}
      />
    </div>
  );
}
