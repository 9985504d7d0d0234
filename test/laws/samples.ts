import type { Random } from "../../src/base/random.ts";
import { outputExtent } from "../../src/grid/axis.ts";
import type { Operator } from "../../src/ops/contract.ts";
import { type GridLinearPlan, gridLinear } from "../../src/ops/grid-linear/index.ts";

/** Samples of a room that its fast algorithms can take more often than what the room itself draws. */
const kin: Readonly<Record<string, (draw: Random) => unknown>> = { "grid-linear": convolution };

/** A plan of the operator's own drawing, or, every second time, of a kind that nets have. */
export function samplePlan(operator: Operator, draw: Random): unknown {
  const common = kin[operator.name];
  return common === undefined || draw.uniform() < 0.5 ? operator.sample(draw) : common(draw);
}

/** Convolutions with whole channel blocks and tails, on rows of one tile and of several; depthwise ones; dense layers. */
function convolution(draw: Random): GridLinearPlan {
  const sampled = gridLinear.sample(draw);
  const axes = sampled.axes.map((axis, i) => {
    const last = i === sampled.axes.length - 1;
    const input = axis.input + (last ? draw.pick([0, 0, 4, 11]) : 0);
    const output = outputExtent(input, axis.kernel, axis.stride, axis.dilation, axis.low, axis.high);
    return { ...axis, input, output, border: "zero" as const, period: 1 };
  });
  const kind = draw.pick(["blocks", "depthwise", "few", "dense"]);
  const groups = kind === "depthwise" ? draw.pick([1, 3, 8, 16, 17, 24, 40]) : draw.pick([1, 1, 1, 2]);
  const perGroup = (): number => {
    if (kind === "depthwise") return 1;
    return draw.pick(kind === "few" ? [1, 2, 3, 4, 6] : kind === "dense" ? [1, 7, 16, 33, 64] : [7, 8, 16, 17, 24]);
  };
  return {
    ...sampled,
    examples: draw.integer(1, kind === "dense" ? 19 : 5),
    groups,
    channelsIn: groups * perGroup(),
    channelsOut: groups * (kind === "depthwise" ? draw.pick([1, 1, 2]) : perGroup()),
    connections: null,
    axes: kind === "dense" ? [] : axes,
  };
}
