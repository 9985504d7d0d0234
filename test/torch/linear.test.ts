import type { Tensor } from "../../src/base/types.ts";
import type { Target } from "../../src/graph/session.ts";
import type { Border } from "../../src/grid/axis.ts";
import { conv, localConv, tiledConv, transposedConv } from "../../src/nn/layers/linear.ts";
import { type Case, eachCase } from "./cases.ts";
import { judge, permuted } from "./judge.ts";

/** Tensors of a case under our names. */
function given(one: Case, change: (kernel: Tensor) => Tensor = (kernel) => kernel) {
  const parameters: Record<string, { value: Tensor; gradient: Tensor }> = {
    kernel: { value: change(one.tensor("w")), gradient: change(one.tensor("grad_w")) },
  };
  if (one.has("b")) parameters.bias = { value: one.tensor("b"), gradient: one.tensor("grad_b") };
  return { x: one.tensor("x"), y: one.tensor("y"), gradY: one.tensor("grad_y"), gradX: one.tensor("grad_x"), parameters };
}

const borders: Record<string, Border> = { zeros: "zero", circular: "wrap", reflect: "reflect", replicate: "replicate" };

async function checkConv(one: Case, target: Target): Promise<void> {
  const { kernel, stride, dilation, groups } = one.asked as { kernel: number[]; stride: number[]; dilation: number[]; groups: number };
  const { padding, padding_mode: mode } = one.asked as { padding: [number, number][]; padding_mode: string };
  const layer = conv(one.tensor("y").shape[1], {
    kernel,
    stride,
    dilation,
    groups,
    padding: padding.map(([low, high]) => ({ low, high })),
    border: borders[mode],
    bias: one.has("b"),
  });
  await judge(target, { layer, ...given(one) });
}

async function checkTransposed(one: Case, target: Target): Promise<void> {
  const { kernel, stride, dilation, groups } = one.asked as { kernel: number[]; stride: number[]; dilation: number[]; groups: number };
  const { padding, output_padding: outputPadding } = one.asked as { padding: number[]; output_padding: number[] };
  const layer = transposedConv(one.tensor("y").shape[1], { kernel, stride, dilation, groups, padding, outputPadding, bias: one.has("b") });
  await judge(target, { layer, ...given(one) });
}

async function checkLocal(one: Case, target: Target): Promise<void> {
  const {
    kind,
    kernel,
    stride,
    tile_period: period,
    bias_sharing: sharing,
  } = one.asked as Record<string, string> & Record<string, number[]>;
  const channels = one.tensor("y").shape[1];
  const axes = kernel.length;
  const bias = String(sharing) === "per_channel" ? "channel" : undefined;
  const options = { kernel, stride, ...(bias === undefined ? {} : { bias: bias as "channel" }) };
  const layer = String(kind) === "tiled" ? tiledConv(channels, { ...options, period }) : localConv(channels, options);
  // theirs is [...period, out, in, ...kernel]
  const order = [axes, axes + 1, ...kernel.map((_, axis) => axis), ...kernel.map((_, axis) => axes + 2 + axis)];
  await judge(target, { layer, ...given(one, (kernels) => permuted(kernels, order)) });
}

for (const [axes, count] of [16, 26, 14].entries()) eachCase(`conv${axes + 1}d`, count, checkConv);
for (const [axes, count] of [6, 12, 6].entries()) eachCase(`conv_transpose${axes + 1}d`, count, checkTransposed);
eachCase("local_or_tiled", 10, checkLocal);
