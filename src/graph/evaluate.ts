import type { Tensor } from "../base/types.ts";
import type { Value } from "../ops/contract.ts";
import type { Session } from "./session.ts";
import { GraphTracer } from "./trace.ts";

/**
 * Computes something once: traces `body` on the given tensors, compiles, runs, and gives the results to keep. What runs often is compiled once instead.
 * Shapes: tensors keep theirs; for convolutions [examples, channels, ...extents].
 * Example: `const { z } = await evaluate(session, { k, v }, ({ k, v }) => ({ z: convolve({ kernel: [3], padding: "same" }, k, v) }))`
 */
export async function evaluate<In extends string, Out extends string>(
  session: Session,
  inputs: Readonly<Record<In, Tensor>>,
  body: (values: Readonly<Record<In, Value>>) => Readonly<Record<Out, Value>>,
): Promise<Record<Out, Tensor>> {
  const tracer = new GraphTracer();
  const given = Object.entries(inputs) as [In, Tensor][];
  const values = Object.fromEntries(
    given.map(([name, { dtype, shape }]) => [name, tracer.input(name, { dtype, shape, batched: false })]),
  ) as Record<In, Value>;
  for (const [name, value] of Object.entries(body(values)) as [Out, Value][]) tracer.output(name, value);
  const program = await session.compile(tracer.finish());
  try {
    const feeds = Object.fromEntries(given.map(([name, { shape, data }]) => [name, shape.length === 0 ? data[0] : (data as Float32Array)]));
    const outputs = await program.run(feeds);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { data, ...type }]) => [name, { ...type, data: data.slice() }]),
    ) as Record<Out, Tensor>;
  } finally {
    program.close();
  }
}
