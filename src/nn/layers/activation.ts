import { call, constant, type Expression, operand, type Value } from "../../ops/contract.ts";
import { pointwise } from "../../ops.ts";
import { constantInitialiser } from "../initialisers.ts";
import type { Layer } from "../scope.ts";
import { layer, partsOf, perChannel } from "./layer.ts";

const x = operand(0);
const activation = (kind: string, formula: Expression, options: object = {}): Layer =>
  layer(kind, options, (input: Value) => pointwise(formula, [input]));
/** A function of the pointwise table on each cell. */
const plain = (kind: string) => (): Layer => activation(kind, call(kind, x));

/** Z = max(V, 0). Source: Goodfellow et al. 2016, eq. 6.37. */
export const relu = plain("relu");
/** Z = V where V > 0, else slope V. Source: Maas et al. 2013. */
export const leakyRelu = (slope = 0.01): Layer => activation("leakyRelu", call("leakyRelu", x, constant(slope)), { slope });
/** Z = min(max(V, 0), 6). Source: Krizhevsky 2010. */
export const relu6 = plain("relu6");
/** Z = V where V > 0, else alpha (exp(V) - 1). Source: Clevert et al. 2015. */
export const elu = (alpha = 1): Layer => activation("elu", call("elu", x, constant(alpha)), { alpha });
/** Z = V where V > 0, else alpha (exp(V / alpha) - 1). Source: Barron 2017. */
export const celu = (alpha = 1): Layer => activation("celu", call("celu", x, constant(alpha)), { alpha });
/** elu with the scale and alpha that keep mean 0 and variance 1. Source: Klambauer et al. 2017. */
export const selu = plain("selu");
/** Z = V times the normal distribution function of V; `approximate` uses its tanh form. Source: Hendrycks and Gimpel 2016. */
export const gelu = ({ approximate = false } = {}): Layer =>
  activation("gelu", call(approximate ? "geluTanh" : "gelu", x), { approximate });
/** Z = V sigmoid(V). Source: Elfwing et al. 2017. */
export const silu = plain("silu");
/** Z = V tanh(softplus(V)). Source: Misra 2019. */
export const mish = plain("mish");
/** Z = 1 / (1 + exp(-V)). Source: Goodfellow et al. 2016, eq. 3.30. */
export const sigmoid = plain("sigmoid");
/** Z = log(sigmoid(V)). */
export const logSigmoid = plain("logSigmoid");
/** Z = tanh(V). */
export const tanh = plain("tanh");
/** Z = log(1 + exp(V)). Source: Goodfellow et al. 2016, eq. 3.31. */
export const softplus = plain("softplus");
/** Z = V / (1 + |V|). Source: Glorot and Bengio 2010. */
export const softsign = plain("softsign");
/** Z = min(max(V, -1), 1). Source: Collobert 2004. */
export const hardTanh = plain("hardTanh");
/** Z = min(max(V + 3, 0), 6) / 6. Source: Howard et al. 2019. */
export const hardSigmoid = plain("hardSigmoid");
/** Z = V min(max(V + 3, 0), 6) / 6. Source: Howard et al. 2019. */
export const hardSwish = plain("hardSwish");
/** Z = |V|. Source: Goodfellow et al. 2016, section 6.3.1 (absolute value rectification). */
export const absolute = (): Layer => activation("absolute", call("abs", x));
/** Z = min(max(V, low), high). */
export const clip = (low: number, high: number): Layer => activation("clip", call("clip", x, constant(low), constant(high)), { low, high });

/** leakyRelu whose slope is learned, one for each channel. Source: He et al. 2015, eq. 1. */
export const parametricRelu = (slope = 0.25): Layer =>
  layer("parametricRelu", { slope }, (input, scope) => {
    const { channels, extents } = partsOf(input, "parametricRelu", 0);
    return pointwise(call("leakyRelu", x, operand(1)), [
      input,
      scope.parameter("slope", perChannel(channels, extents), constantInitialiser(slope)),
    ]);
  });
