/** The foot of the navigation: keys, theme, and in which state the connection is. */
import { Keyboard, LogOut, Monitor, Moon, Sun, type LucideIcon } from "lucide-react";

import { signOut, useSession } from "@/api";
import { cn, IconButton } from "@/ui";

import { ConnectionDot } from "./ConnectionBanner";
import { openHelp } from "./help-store";
import { setTheme, useTheme, type ThemeWish } from "./theme";

const WISHES: Record<ThemeWish, { label: string; icon: LucideIcon; next: ThemeWish }> = {
  system: { label: "Theme: as the system", icon: Monitor, next: "light" },
  light: { label: "Theme: light", icon: Sun, next: "dark" },
  dark: { label: "Theme: dark", icon: Moon, next: "system" },
};

/** One button that goes round the three themes; the palette has each by name. */
export function ThemeButton() {
  const { label, icon: Icon, next } = WISHES[useTheme((state) => state.wish)];
  return <IconButton label={label} icon={<Icon />} size="sm" onClick={() => setTheme(next)} />;
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
      <ThemeButton />
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
