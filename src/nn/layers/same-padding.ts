import { paddedEach } from "../../graph/unequal.ts";
import { type Border, type Padding, paddingCells } from "../../grid/axis.ts";
import type { Value } from "../../ops/contract.ts";

/** Windows by axis behind the channels. */
interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly Padding[];
  /** Zeros where it is left out. */
  readonly border?: readonly Border[];
}

/**
 * How much padding "same" is depends on the extent when windows stride: where examples are of unequal extents, each is given its own, as cells of
 * the input that hold `fill`, and the windows need none on that axis.
 */
export function sameForEach<W extends Windows>(input: Value, windows: W, fill = 0): { readonly input: Value; readonly windows: W } {
  const own = input.graph.extents(input);
  const varies = windows.padding.map((padding, axis) => {
    const isZero = (windows.border?.[axis] ?? "zero") === "zero";
    return padding === "same" && windows.stride[axis] > 1 && isZero && (own?.[1 + axis] ?? null) !== null;
  });
  if (!varies.includes(true)) return { input, windows };
  const margins = varies.map((each, axis) =>
    each ? (cells: number) => paddingCells("same", cells, windows.kernel[axis], windows.stride[axis], windows.dilation[axis]) : null,
  );
  return {
    input: paddedEach(input, [null, ...margins], fill),
    windows: { ...windows, padding: windows.padding.map((padding, axis) => (varies[axis] ? 0 : padding)) },
  };
}
