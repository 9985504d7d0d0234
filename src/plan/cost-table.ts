/** Written by `npm run costs`: [scale, fixed ns] of what an algorithm or a conversion predicts, by tier. */
// biome-ignore format: one row per line
export const costTable: Readonly<Record<"wide" | "relaxed" | "plain", Readonly<Record<string, readonly [scale: number, fixed: number]>>>> = {
  wide: {},
  relaxed: {},
  plain: {},
};
