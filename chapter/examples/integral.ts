import { evaluate, referenceTarget, tensor } from "toeplitz";
import { convolve } from "toeplitz/ops";

// x(a) = sin a, w(a) = exp(-a) for a >= 0: s(t), the integral of x(a) w(t - a), is (sin t - cos t) / 2
const session = await referenceTarget.open();
const [from, to] = [0, 26];
let before = Number.NaN;
for (const step of [0.4, 0.2, 0.1, 0.05]) {
  const x = Array.from({ length: Math.round((to - from) / step) }, (_, i) => Math.sin(from + i * step));
  const w = Array.from({ length: Math.round(20 / step) }, (_, i) => Math.exp(-i * step) * step);
  const { s } = await evaluate(
    session,
    { k: tensor([1, 1, w.length], w), v: tensor([1, 1, x.length], x) },
    // flip: true convolution; causal: s(t) depends on nothing later than t
    ({ k, v }) => ({ s: convolve({ kernel: [w.length], padding: "causal", flip: true }, k, v) }),
  );
  const last = x.length - 1;
  const t = from + last * step;
  const error = Math.abs(s.data[last] - (Math.sin(t) - Math.cos(t)) / 2);
  console.log(`step ${step}: error ${error.toFixed(4)}${Number.isNaN(before) ? "" : `, ${(before / error).toFixed(1)} times smaller`}`);
  before = error;
}
