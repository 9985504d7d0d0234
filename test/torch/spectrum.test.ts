import { tensorType } from "../../src/base/types.ts";
import type { Target } from "../../src/graph/session.ts";
import { GraphTracer, tensor } from "../../src/graph/trace.ts";
import { add, convolve, reshape, slice, square } from "../../src/ops.ts";
import { type Case, eachCase } from "./cases.ts";
import { assertClose, floats } from "./judge.ts";

/** Windowed cosines, then negative sines, of every bin: the spectrum is a convolution with these kernels, and the hop is its stride. */
function waves(window: ArrayLike<number>, bins: number): Float32Array {
  const length = window.length;
  return Float32Array.from({ length: 2 * bins * length }, (_, cell) => {
    const [row, tap] = [Math.floor(cell / length), cell % length];
    const angle = (2 * Math.PI * (row % bins) * tap) / length;
    return window[tap] * (row < bins ? Math.cos(angle) : -Math.sin(angle));
  });
}

eachCase("stft_power", 4, async (one: Case, target: Target) => {
  const [x, window] = [one.tensor("x"), one.tensor("window")];
  const bins = one.tensor("power").shape[1];
  const tracer = new GraphTracer();
  const sound = reshape(tracer.input("x", tensorType(x.shape, true)), [1, x.shape[1]]);
  const kernel = tracer.constant(tensor([2 * bins, 1, window.shape[0]], waves(window.data, bins)));
  const both = convolve({ kernel: window.shape, stride: Number(one.asked.hop) }, kernel, sound);
  const [real, imaginary] = [slice(both, 1, 0, bins), slice(both, 1, bins)];
  tracer.output("real", real);
  tracer.output("imag", imaginary);
  tracer.output("power", add(square(real), square(imaginary)));
  const session = await target.open();
  try {
    const outputs = await (await session.compile(tracer.finish())).run({ x: floats(x) });
    for (const part of ["real", "imag", "power"]) assertClose(part, outputs[part], one.tensor(part));
  } finally {
    await session.close();
  }
});
