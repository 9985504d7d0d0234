import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Feeds, Layer, Net as LayerNet, Scope, Session, SessionOptions, TracedStep } from "../../src/index.ts";
import type { Value } from "../../src/ops.ts";
import type { Node, Window } from "../net.ts";
import { type Loaded, type LoadedCase, Refused, serve } from "./serve.ts";

/*
 * The nets are built from the public layers, one under the name of each node, so that the bench's parameter `kernel` of node `value3` is
 * the state `value3/kernel`. Single layers apply the operator at their problem line. `TOEPLITZ_BENCH_ROOT` names a folder with the built
 * package, for times that would otherwise count the stripping of types.
 */

const root = process.env.TOEPLITZ_BENCH_ROOT;
const moduleAt = (path: string): Promise<unknown> =>
  import(root === undefined ? `../../src/${path}.ts` : pathToFileURL(join(root, `${path}.js`)).href);

const library = (await moduleAt("index")) as typeof import("../../src/index.ts");
const { add } = (await moduleAt("ops")) as typeof import("../../src/ops.ts");
const { batchNorm, conv, crossEntropy, dense, flatten, globalPool, maxPool, relu, relu6, sgd, tiledConv, zeros } = library;
const { initialise, traceEvaluation, traceTraining } = library;

/** Highest tier, and the most that a sum may round: 1 for plain sums alone. */
const { TOEPLITZ_BENCH_TIER: tier, TOEPLITZ_BENCH_ROUNDING: rounding } = process.env;
const limits: SessionOptions = {
  ...(tier === undefined ? {} : { tier: tier as SessionOptions["tier"] }),
  ...(rounding === undefined ? {} : { rounding: Number(rounding) }),
};

async function openSession(threads: number): Promise<Session> {
  const { open } = (await moduleAt("node")) as typeof import("../../src/node.ts");
  return open({ threads, ...limits });
}

const padding = ({ low, high }: Window): { low: number; high: number }[] => low.map((cells, axis) => ({ low: cells, high: high[axis] }));

/** The layer of a node with one input. */
function layerOf(node: Node): Layer {
  switch (node.op) {
    case "conv": {
      const { kernel, stride, dilation, groups, period } = node;
      const options = { kernel, stride, dilation, groups, padding: padding(node), bias: node.bias !== null };
      return period === undefined ? conv(node.shape[1], options) : tiledConv(node.shape[1], { ...options, period });
    }
    case "maxPool":
      return maxPool(node.kernel, { stride: node.stride, dilation: node.dilation, padding: padding(node) });
    case "dense":
      return dense(node.shape[1], { bias: node.bias !== null });
    case "batchNorm":
      return batchNorm({ momentum: node.momentum, epsilon: node.epsilon });
    case "relu":
      return relu();
    case "relu6":
      return relu6();
    case "flatten":
      return flatten();
    case "globalAverage":
      return globalPool("average");
    default:
      throw new Error(`no layer for ${node.op}`);
  }
}

type Rooms = typeof import("../../src/ops/grid-linear/index.ts");

async function netOf({ net, line }: LoadedCase): Promise<LayerNet> {
  if (line !== null) {
    const rooms = (await moduleAt("ops/grid-linear/index")) as Rooms;
    return (inputs, scope) => lineOf(rooms, line, inputs, scope);
  }
  return (inputs, scope) => {
    const values = new Map<string, Value>(Object.entries(inputs));
    const read = (name: string): Value => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`no value ${name}`);
      return value;
    };
    for (const node of net.nodes) {
      const [first, second] = node.inputs.map(read);
      const result = node.op === "add" ? add(first, second) : scope.within(node.output, () => layerOf(node).apply(first, scope));
      values.set(node.output, result);
    }
    return read(net.output);
  };
}

/** The operator of a problem line: kernel gradients take V and G, the other roles one input and the state `kernel`. */
function lineOf({ gridLinear, optionsOf }: Rooms, line: string, inputs: Readonly<Record<string, Value>>, scope: Scope): Value {
  const plan = gridLinear.parse(line);
  const [first, second] = Object.values(inputs);
  const options = optionsOf(plan, plan.role);
  if (plan.role === "kernel") return first.graph.apply(gridLinear, options, [second, first])[0];
  const kernel = scope.parameter("kernel", gridLinear.inputs(plan)[0].shape, zeros);
  return first.graph.apply(gridLinear, options, [kernel, first])[0];
}

/** States by the names that the case's parameters have. */
function stateNames({ net, line }: LoadedCase): Map<string, string> {
  const names = new Map<string, string>();
  if (line !== null) for (const { name } of net.parameters) names.set(name, name);
  for (const node of net.nodes) {
    const put = (part: string, name: string | null): unknown => (name === null ? name : names.set(name, `${node.output}/${part}`));
    if (line !== null) continue;
    if (node.op === "conv" || node.op === "dense") {
      put("kernel", node.weight);
      put("bias", node.bias);
    }
    if (node.op === "batchNorm") for (const part of ["scale", "shift", "mean", "variance"] as const) put(part, node[part]);
  }
  return names;
}

async function writeWeights(session: Session, source: LoadedCase, step: TracedStep): Promise<void> {
  // the state of an optimiser is not among the weights of a case
  if (source.kind === "training") await initialise(session, [step], 1);
  const shapes = new Map([...step.parameters, ...step.states].map(({ name, type }) => [name, type.shape]));
  const names = stateNames(source);
  for (const entry of source.parameters) {
    const name = names.get(entry.name) ?? "";
    const shape = shapes.get(name);
    if (shape === undefined) throw new Error(`no state for ${entry.name}`);
    await session.write(name, { dtype: "f32", shape, data: source.numbersOf(entry) });
  }
}

export async function trace(source: LoadedCase): Promise<TracedStep> {
  const batch = source.inputs[0].shape[0];
  const inputs = Object.fromEntries(source.inputs.map(({ name, shape }) => [name, { shape: shape.slice(1) }]));
  const net = await netOf(source);
  if (source.kind === "forward") return traceEvaluation(net, { batch, inputs });
  return traceTraining(net, {
    batch,
    inputs,
    targets: { labels: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd({ momentum: source.momentum }),
  });
}

const asWithoutLimit = "same as without the limit";

export async function load(source: LoadedCase, threads: number): Promise<Loaded> {
  const session = await openSession(threads);
  const step = await trace(source);
  // times of steps are of the sources, which the built package does not export
  const routines = source.line === null || root !== undefined ? undefined : await import("./routine.ts");
  if (rounding !== undefined && routines?.isUnchanged(step.graph, session, limits)) throw new Refused(asWithoutLimit);
  const program = await session.compile(step.graph);
  await writeWeights(session, source, step);
  const inputs = Object.fromEntries(source.inputs.map((entry) => [entry.name, source.numbersOf(entry)]));
  const labels = Int32Array.from(source.labels);
  let count = 0;
  const call = async (): Promise<Float32Array> => {
    const further: Feeds = source.kind === "forward" ? {} : { labels, learningRate: source.rate, step: ++count };
    const outputs = await program.run({ ...inputs, ...further });
    return outputs[source.kind === "forward" ? "output" : "loss"].data as Float32Array;
  };
  const routine = routines && ((ms: number) => routines.timeRoutine(step.graph, session, program, limits, ms));
  return { call, routine, close: () => session.close() };
}

if (process.argv[1] === import.meta.filename) {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  await serve(() => `toeplitz ${version}`, load);
}
