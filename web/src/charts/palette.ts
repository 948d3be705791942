/**
 * The theme's colours for canvases, which know no CSS variables: read once a theme, as plain values.
 */
import { useTheme } from "@/app/theme";

export interface Palette {
  bg: string;
  surface: string;
  raised: string;
  line: string;
  lineStrong: string;
  fg: string;
  muted: string;
  faint: string;
  accent: string;
  bad: string;
  warn: string;
  series: readonly string[];
  heat: readonly string[];
}

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    bg: value("bg"),
    surface: value("surface"),
    raised: value("raised"),
    line: value("line"),
    lineStrong: value("line-strong"),
    fg: value("fg"),
    muted: value("muted"),
    faint: value("faint"),
    accent: value("accent"),
    bad: value("bad"),
    warn: value("warn"),
    series: [1, 2, 3, 4, 5, 6].map((at) => value(`series-${at}`)),
    heat: [0, 1, 2, 3, 4].map((at) => value(`heat-${at}`)),
  };
}

let known: { theme: string; palette: Palette } | null = null;

/** The colours that show now; a new object when the theme changes. */
export function usePalette(): Palette {
  const theme = useTheme((state) => state.shown);
  // The variables hang on the attribute that goes with `shown`, so they are read anew with it.
  if (known?.theme !== theme) known = { theme, palette: read() };
  return known.palette;
}
