import { fail } from "../../base/errors.ts";
import { call, constant, operand } from "../../ops/contract.ts";
import { pointwise } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { layer, perChannel } from "./layer.ts";

/**
 * In training, Z = V / (1 - rate) where a draw in [0, 1) is at least `rate`, else 0; in inference Z = V.
 * A draw depends on seed, step, example and cell alone, the cell's number in the example's own extents. `channels` drops whole channels.
 * Source: Goodfellow et al. 2016, section 7.12; Srivastava et al. 2014; whole channels: Tompson et al. 2015.
 * Throws: when `rate` is not in [0, 1).
 */
export function dropout(rate = 0.5, { channels = false }: { readonly channels?: boolean } = {}): Layer {
  if (!(rate >= 0 && rate < 1)) fail("dropout", "", "rate", ">= 0 and < 1", rate);
  return layer("dropout", { rate, channels }, (input, scope) => {
    if (!scope.training || rate === 0) return input;
    const [, count, ...extents] = input.type.shape;
    const draws = channels
      ? scope.uniform("mask", perChannel(count, extents))
      : scope.uniform("mask", input.type.shape.slice(1), input.graph.extents(input));
    const kept = call("lessEqual", constant(rate), operand(1));
    return pointwise(call("multiply", operand(0), call("multiply", kept, constant(1 / (1 - rate)))), [input, draws]);
  });
}
