import type { TensorType } from "../base/types.ts";
import type { Layout, Margin } from "../ops/contract.ts";
import { conversionTime, haloTime, type MoveTime } from "../ops/convert/index.ts";
import { plainLayout, serves } from "../ops/layout.ts";

/** How a value is wanted somewhere: in a layout, or as plain cells with nothing around them (aliases, states, outputs). */
export type Want = Layout | "bare";

const isBare = ({ block, halo }: Layout): boolean => block === 1 && halo.every(({ low, high }) => low === 0 && high === 0);
const hasHalo = ({ halo }: Layout): boolean => halo.some(({ low, high }) => low > 0 || high > 0);

export const fits = (layout: Layout, want: Want): boolean => (want === "bare" ? isBare(layout) : serves(layout, want));

/** The layout of that block with the halos of all wants of the block and the fill. */
function widest(block: number, fill: number, wants: readonly Want[]): Layout {
  let halo: readonly Margin[] = [];
  for (const want of wants) {
    if (want === "bare" || want.block !== block || !hasHalo(want) || !Object.is(want.fill, fill)) continue;
    const before = halo;
    halo = want.halo.map(({ low, high }, axis) => ({
      low: Math.max(low, before[axis]?.low ?? 0),
      high: Math.max(high, before[axis]?.high ?? 0),
    }));
  }
  return halo.length === 0 ? { block, halo, fill: 0 } : { block, halo, fill };
}

/**
 * Layout in which a value is made: its producer's block, with the halos that consumers of the block want with the first fill.
 * `isSeen`: the cells lie in a buffer that others see as plain (an input, a state, an alias), so that a halo goes into a copy.
 */
export function homeOf(block: number, wants: readonly Want[], isSeen: boolean): Layout {
  if (isSeen && block === 1) return plainLayout;
  const first = wants.find((want) => want !== "bare" && want.block === block && hasHalo(want));
  return widest(block, first === undefined || first === "bare" ? 0 : first.fill, wants);
}

/** Layout of the copy that is made for a want: it serves the others of its block and fill too. */
export function copyFor(want: Want, wants: readonly Want[]): Layout {
  if (want === "bare") return plainLayout;
  const common = homeOf(want.block, wants, false);
  return serves(common, want) ? common : widest(want.block, want.fill, wants);
}

/** What happens to a value between its producer and its consumers. */
export interface Move {
  readonly kind: "convert" | "halo";
  readonly time: MoveTime;
}

/** Conversions and halo fills that a value with these wants takes, in the order in which they are made. */
export function movesOf(type: TensorType, block: number, wants: readonly Want[], isSeen: boolean): Move[] {
  const moves: Move[] = [];
  const home = homeOf(block, wants, isSeen);
  const instances = [home];
  const fill = (layout: Layout): void => {
    if (hasHalo(layout)) moves.push({ kind: "halo", time: haloTime(type, layout) });
  };
  fill(home);
  for (const want of wants) {
    if (instances.some((layout) => fits(layout, want))) continue;
    const copy = copyFor(want, wants);
    moves.push({ kind: "convert", time: conversionTime(type, home, copy) });
    fill(copy);
    instances.push(copy);
  }
  return moves;
}
