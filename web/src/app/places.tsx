/** The pages of the console in one table: the navigation, the palette, the keys and the tab bar read it. */
import {
  Boxes,
  ChartNoAxesCombined,
  Columns3,
  Hexagon,
  KeyRound,
  ListOrdered,
  MessageSquareText,
  Package,
  ScrollText,
  SlidersHorizontal,
  type LucideIcon,
} from "lucide-react";

export interface Place {
  path:
    | "/"
    | "/hives"
    | "/workers"
    | "/models"
    | "/chat"
    | "/requests"
    | "/events"
    | "/side-by-side"
    | "/keys"
    | "/settings";
  label: string;
  icon: LucideIcon;
  keys: string;
  group: "Colony" | "Use" | "Operate";
  /** In the tab bar of phones; the others are behind "More". */
  tab?: true;
  /** The scope without which there is nothing to see on it. */
  needs?: "read";
  keywords: string;
}

export const PLACES: readonly Place[] = [
  {
    path: "/",
    label: "Overview",
    needs: "read",
    icon: ChartNoAxesCombined,
    keys: "g o",
    group: "Colony",
    tab: true,
    keywords: "home dashboard gpu heat map topology",
  },
  {
    path: "/hives",
    label: "Hives",
    needs: "read",
    icon: Hexagon,
    keys: "g h",
    group: "Colony",
    tab: true,
    keywords: "machines nodes devices gpus add join approve",
  },
  {
    path: "/workers",
    label: "Workers",
    needs: "read",
    icon: Boxes,
    keys: "g w",
    group: "Colony",
    tab: true,
    keywords: "processes start stop restart logs",
  },
  {
    path: "/models",
    label: "Models",
    needs: "read",
    icon: Package,
    keys: "g m",
    group: "Colony",
    keywords: "download search hub catalog disk",
  },
  {
    path: "/chat",
    label: "Chat",
    icon: MessageSquareText,
    keys: "g c",
    group: "Use",
    tab: true,
    keywords: "talk prompt playground infer",
  },
  {
    path: "/requests",
    label: "Requests",
    needs: "read",
    icon: ListOrdered,
    keys: "g r",
    group: "Use",
    keywords: "queue jobs waiting running why",
  },
  {
    path: "/events",
    label: "Events & logs",
    needs: "read",
    icon: ScrollText,
    keys: "g e",
    group: "Operate",
    keywords: "history log follow",
  },
  {
    path: "/side-by-side",
    label: "Side by side",
    needs: "read",
    icon: Columns3,
    keys: "g b",
    group: "Operate",
    keywords: "panes queen hive worker own page llama.cpp ui frames",
  },
  {
    path: "/keys",
    label: "API & keys",
    icon: KeyRound,
    keys: "g k",
    group: "Operate",
    keywords: "openai curl python token snippets",
  },
  {
    path: "/settings",
    label: "Settings",
    icon: SlidersHorizontal,
    keys: "g s",
    group: "Operate",
    keywords: "configuration options config.toml",
  },
];

export const GROUPS = ["Colony", "Use", "Operate"] as const;
