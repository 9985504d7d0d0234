import type { Target } from "../../src/graph/session.ts";
import { pixelShuffle, resize } from "../../src/nn/layers/arrange.ts";
import { averagePool, maxout, maxPool } from "../../src/nn/layers/pool.ts";
import type { Layer } from "../../src/nn/scope.ts";
import { type Case, eachCase } from "./cases.ts";
import { judge } from "./judge.ts";

const check = (layer: (one: Case) => Layer) => (one: Case, target: Target) =>
  judge(target, { layer: layer(one), x: one.tensor("x"), y: one.tensor("y"), gradY: one.tensor("grad_y"), gradX: one.tensor("grad_x") });

function pool({ asked }: Case): Layer {
  const { kernel, stride, padding, dilation } = asked as Record<string, number[]>;
  const {
    kind,
    ceil_mode: ceil,
    count_include_pad: countPadding,
  } = asked as { kind: string; ceil_mode: boolean; count_include_pad: boolean };
  return kind === "max"
    ? maxPool(kernel, { stride, padding, dilation, ceil })
    : averagePool(kernel, { stride, padding, ceil, countPadding });
}

const notCovered: Record<string, string> = {
  adaptive_avg: "windows of several extents in one layer are no layer yet",
  adaptive_max: "windows of several extents in one layer are no layer yet",
  lp: "the mean of powers is no layer yet",
};

for (const [axes, count] of [10, 18, 8].entries()) {
  eachCase(`pool${axes + 1}d`, count, check(pool), ({ asked }) => notCovered[String(asked.kind)] ?? null);
}
eachCase(
  "maxout",
  4,
  check(({ asked }) => maxout(Number(asked.pieces))),
);
eachCase(
  "resize",
  8,
  check(({ asked }) => {
    const {
      kind,
      factor,
      size,
      align_corners: alignCorners,
    } = asked as { kind: string; factor: number; size: number[]; align_corners: boolean };
    if (kind === "pixel_shuffle") return pixelShuffle(factor);
    return resize({ size, method: kind === "bicubic" ? "cubic" : "linear", alignCorners });
  }),
);
