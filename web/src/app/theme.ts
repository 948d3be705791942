/** Light, dark, or as the system wishes; kept in the browser. public/theme.js applies it before the first paint. */
import { create } from "zustand";

export type ThemeWish = "system" | "light" | "dark";
const KEY = "rbee.theme";
const DARK = "(prefers-color-scheme: dark)";

interface ThemeState {
  wish: ThemeWish;
  /** What shows now; charts on canvas draw anew when it changes. */
  shown: "light" | "dark";
}

function read(): ThemeWish {
  try {
    const wish = localStorage.getItem(KEY);
    return wish === "light" || wish === "dark" ? wish : "system";
  } catch {
    return "system";
  }
}

function resolve(wish: ThemeWish): "light" | "dark" {
  if (wish !== "system") return wish;
  return matchMedia(DARK).matches ? "dark" : "light";
}

export const useTheme = create<ThemeState>(() => ({ wish: read(), shown: resolve(read()) }));

function apply(wish: ThemeWish): void {
  const shown = resolve(wish);
  document.documentElement.dataset["theme"] = shown;
  useTheme.setState({ wish, shown });
}

export function setTheme(wish: ThemeWish): void {
  try {
    localStorage.setItem(KEY, wish);
  } catch {
    // Storage is refused: the wish holds until the tab closes.
  }
  apply(wish);
}

/** Once at the start: follows the system while that is the wish. */
export function startTheme(): void {
  apply(useTheme.getState().wish);
  matchMedia(DARK).addEventListener("change", () => apply(useTheme.getState().wish));
}
