/** Live graphs, fed by the rings of the state stream outside React. */
export { HeatMap, type HeatCell, type HeatGroup } from "./HeatMap";
export { LiveChart, type LiveSeries } from "./LiveChart";
export { usePalette, type Palette } from "./palette";
export { Sparkline } from "./Sparkline";
