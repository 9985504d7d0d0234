import type { Target } from "../../src/graph/session.ts";
import { adaptivePool } from "../../src/nn/layers/adaptive.ts";
import { pixelShuffle } from "../../src/nn/layers/arrange.ts";
import { averagePool, maxPool, powerPool } from "../../src/nn/layers/pool.ts";
import { maxout } from "../../src/nn/layers/pool-channels.ts";
import { resize } from "../../src/nn/layers/resize.ts";
import type { Layer } from "../../src/nn/scope.ts";
import { type Case, eachCase } from "./cases.ts";
import { judge } from "./judge.ts";

const check = (layer: (one: Case) => Layer) => (one: Case, target: Target) =>
  judge(target, { layer: layer(one), x: one.tensor("x"), y: one.tensor("y"), gradY: one.tensor("grad_y"), gradX: one.tensor("grad_x") });

function pool({ asked }: Case): Layer {
  const { kernel, stride, padding, dilation, output_size: size } = asked as Record<string, number[]>;
  const { kind, p, ceil_mode: ceil } = asked as { kind: string; p: number; ceil_mode: boolean };
  if (kind.startsWith("adaptive")) return adaptivePool(size, kind === "adaptive_max" ? "max" : "average");
  if (kind === "lp") return powerPool(p, kernel, { stride });
  if (kind === "max") return maxPool(kernel, { stride, padding, dilation, ceil });
  return averagePool(kernel, { stride, padding, ceil, countPadding: asked.count_include_pad === true });
}

function rearranging({ asked }: Case): Layer {
  const {
    kind,
    factor,
    size,
    align_corners: alignCorners,
  } = asked as { kind: string; factor: number; size: number[]; align_corners: boolean };
  if (kind === "pixel_shuffle") return pixelShuffle(factor);
  return resize({ size, method: kind === "bicubic" ? "cubic" : "linear", alignCorners });
}

for (const [axes, count] of [10, 18, 8].entries()) eachCase(`pool${axes + 1}d`, count, check(pool));
eachCase(
  "maxout",
  4,
  check(({ asked }) => maxout(Number(asked.pieces))),
);
eachCase("resize", 8, check(rearranging));
