import type { Random } from "../../src/base/random.ts";
import { type Axis, outputExtent } from "../../src/grid/axis.ts";
import type { Operator } from "../../src/ops/contract.ts";
import { type GridLinearPlan, gridLinear } from "../../src/ops/grid-linear/index.ts";

/** Samples of a room that its fast algorithms can take more often than what the room itself draws. */
const kin: Readonly<Record<string, (draw: Random) => unknown>> = { "grid-linear": convolution };

/** A plan of the operator's own drawing, or, every second time, of a kind that nets have. */
export function samplePlan(operator: Operator, draw: Random): unknown {
  const common = kin[operator.name];
  return common === undefined || draw.uniform() < 0.5 ? operator.sample(draw) : common(draw);
}

const kinds = {
  /** Whole channel blocks and tails. */
  blocks: { in: [7, 8, 16, 17, 24], out: [7, 8, 16, 17, 24], groups: [1, 1, 1, 2] },
  depthwise: { in: [1], out: [1, 1, 2], groups: [1, 3, 8, 16, 17, 24, 40] },
  /** First layers. */
  few: { in: [1, 2, 3, 4, 6], out: [1, 3, 8, 16, 24], groups: [1, 1, 1, 2] },
  /** Last layers. */
  narrow: { in: [7, 8, 13, 16, 24], out: [1, 2, 3, 4], groups: [1] },
  /** Kernel 3 without stride and dilation. */
  three: { in: [8, 16, 17, 24], out: [8, 10, 16, 24], groups: [1] },
  dense: { in: [1, 7, 16, 33, 64], out: [1, 5, 16, 40], groups: [1] },
} as const;

/** Convolutions as nets have them, on rows of one tile and of several. */
function convolution(draw: Random): GridLinearPlan {
  const sampled = gridLinear.sample(draw);
  const name = draw.pick(Object.keys(kinds) as (keyof typeof kinds)[]);
  const kind = kinds[name];
  const axes = sampled.axes.map((axis, i): Axis => {
    const last = i === sampled.axes.length - 1;
    const input = axis.input + (last ? draw.pick([0, 0, 4, 11]) : 0);
    const three = { kernel: 3, stride: 1, dilation: 1, low: Math.max(axis.low, 3 - input - axis.high) };
    const made = { ...axis, input, border: "zero" as const, period: 1, ...(name === "three" ? three : {}) };
    return { ...made, output: outputExtent(input, made.kernel, made.stride, made.dilation, made.low, made.high) };
  });
  const groups = draw.pick<number>(kind.groups);
  return {
    ...sampled,
    examples: draw.integer(1, name === "dense" ? 19 : 5),
    groups,
    channelsIn: groups * draw.pick<number>(kind.in),
    channelsOut: groups * draw.pick<number>(kind.out),
    connections: null,
    axes: name === "dense" ? [] : axes,
  };
}
