import { Problems } from "../../base/errors.ts";
import { call, operand, type Value } from "../../ops/contract.ts";
import { pointwise, softmax } from "../../ops.ts";
import { lecun } from "../initialisers.ts";
import { named } from "../layers/compose.ts";
import { type LayerWith, layer, partsOf } from "../layers/layer.ts";
import { conv } from "../layers/linear.ts";

/** Options of `recurrentLabelling`: plain data, so that a model file can hold them. */
export interface RecurrentOptions {
  readonly classes: number;
  /** Times that the labels are estimated. Default 3. */
  readonly steps?: number;
  /** Channels of the hidden grid H. Default 16. */
  readonly channels?: number;
  /** Kernel extents of U and W. Default 5. */
  readonly kernel?: number;
}

/**
 * Recurrent labelling of cells: H(t) = relu(U * X + W * softmax(Y(t - 1)) + b), Y(t) = V * H(t) + c, with the same kernels U, V, W at every step t; the first
 * step has no estimate and leaves W out. The estimates of all steps are taps `estimate-1`, `estimate-2`, ...; the last one is the output.
 * Source: Goodfellow et al. 2016, section 9.6 and figure 9.17; Pinheiro and Collobert 2014.
 * Shapes: [N, C, ...m] -> logits [N, classes, ...m]; 1 to 3 axes of any extents.
 * Throws: when an option is out of range.
 * Example: `recurrentLabelling({ classes: 2, steps: 4, channels: 32 })`
 */
export function recurrentLabelling(options: RecurrentOptions): LayerWith<RecurrentOptions> {
  const { classes, steps = 3, channels = 16, kernel = 5 } = options;
  const problems = new Problems("recurrentLabelling");
  for (const [name, value] of Object.entries({ classes, steps, channels, kernel }))
    problems.check(Number.isInteger(value) && value >= 1, name, "a whole number >= 1", value);
  problems.throwIfAny();
  const image = named("image", conv(channels, { kernel, padding: "same" }));
  const feedback = named("estimate", conv(channels, { kernel, padding: "same", bias: false, initialiser: lecun() }));
  const label = named("label", conv(classes, { kernel: 1, initialiser: lecun() }));
  const sum = call("relu", call("add", operand(0), operand(1)));
  return layer("recurrentLabelling", options, (input, scope) => {
    partsOf(input, "recurrentLabelling");
    // U * X is the same at every step
    const seen = scope.apply(image, input);
    const estimate = (hidden: Value, step: number): Value => scope.tap(`estimate-${step}`, scope.apply(label, hidden));
    let labels = estimate(pointwise(call("relu", operand(0)), [seen]), 1);
    for (let step = 2; step <= steps; step++) labels = estimate(pointwise(sum, [seen, scope.apply(feedback, softmax(labels, 1))]), step);
    return labels;
  });
}
