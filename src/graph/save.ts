import { fail, invariant, ToeplitzError } from "../base/errors.ts";
import { type DType, size, type TensorType } from "../base/types.ts";
import type { Operator, Value } from "../ops/contract.ts";
import { operators } from "../ops/index.ts";
import type { Content, Graph, GraphValue } from "./graph.ts";
import { prune } from "./rewrite.ts";
import { GraphTracer } from "./trace.ts";

const format = "toeplitz graph 1";

/** What a graph begins with. Constants are one number, or base64 of little-endian cells. */
type Leaf =
  | { readonly kind: "input" | "state"; readonly name: string; readonly type: TensorType }
  | { readonly kind: "constant"; readonly shape: readonly number[]; readonly fill: number | string }
  | { readonly kind: "constant"; readonly shape: readonly number[]; readonly dtype: DType; readonly cells: string }
  | { readonly kind: "examples" };

/** Values are numbered: leaves, then the outputs of the nodes in order. */
interface Saved {
  readonly format: string;
  readonly leaves: readonly Leaf[];
  readonly nodes: readonly {
    readonly operator: string;
    readonly options: unknown;
    readonly inputs: readonly number[];
    readonly path?: string;
  }[];
  readonly outputs: readonly { readonly name: string; readonly value: number }[];
  readonly updates: readonly { readonly state: string; readonly value: number }[];
}

/**
 * A graph as text (JSON): leaves, and the calls of operators by name and options, so that loading plans them again.
 * What no output or update needs is left out.
 */
export function saveGraph(graph: Graph): string {
  const pruned = prune(graph);
  const numbers = new Map<number, number>();
  const used = new Set(
    [
      ...pruned.nodes.flatMap((node) => node.inputs),
      ...pruned.outputs.map(({ value }) => value),
      ...pruned.updates.map(({ value }) => value),
    ].filter((value) => pruned.values[value].source.kind !== "node"),
  );
  // in the order of the graph, so that one net gives one text
  const leaves = [...used]
    .sort((a, b) => a - b)
    .map((value) => {
      numbers.set(value, numbers.size);
      return leafOf(pruned.values[value]);
    });
  const at = (value: number): number => {
    const number = numbers.get(value);
    invariant(number !== undefined, () => `value ${value} is used before it is made`);
    return number;
  };
  const nodes = pruned.nodes.map(({ operator, options, inputs, outputs, path, fusion }) => {
    invariant(fusion === null, () => "a graph is saved before it is fused");
    const saved = { operator: operator.name, options, inputs: inputs.map(at), ...(path === "" ? {} : { path }) };
    for (const output of outputs) numbers.set(output, numbers.size);
    return saved;
  });
  const outputs = pruned.outputs.map(({ name, value }) => ({ name, value: at(value) }));
  const updates = pruned.updates.map(({ state, value }) => ({ state, value: at(value) }));
  return JSON.stringify({ format, leaves, nodes, outputs, updates } satisfies Saved);
}

function leafOf({ type, source }: GraphValue): Leaf {
  invariant(source.kind !== "node", () => "a node's output is no leaf");
  if (source.kind === "constant") return constantLeaf(source.content);
  return source.kind === "examples" ? { kind: "examples" } : { kind: source.kind, name: source.name, type };
}

function constantLeaf(content: Content): Leaf {
  const { shape } = content;
  // JSON has no infinities, NaN or -0
  if ("fill" in content)
    return {
      kind: "constant",
      shape,
      fill: Object.is(content.fill, -0) ? "-0" : Number.isFinite(content.fill) ? content.fill : String(content.fill),
    };
  return {
    kind: "constant",
    shape,
    dtype: content.dtype,
    cells: toBase64(new Uint8Array(content.data.buffer, content.data.byteOffset, content.data.byteLength)),
  };
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let from = 0; from < bytes.length; from += 0x8000) text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  return btoa(text);
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isExtents = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
const isDType = (value: unknown): value is DType => value === "f32" || value === "i32" || value === "u8";

function check(holds: boolean, what: string, expected: string, received: unknown): asserts holds {
  if (!holds)
    fail(
      "graph",
      "load",
      what,
      expected,
      typeof received === "string" ? received.slice(0, 80) : (JSON.stringify(received) ?? "nothing").slice(0, 80),
      "The file is damaged or of another version.",
    );
}

/**
 * The graph that `saveGraph` wrote, planned anew; `examples` is the largest number of examples of a run, as saved when left out.
 * Throws: when the text is no saved graph, names an operator that does not exist, or has a node that does not fit its inputs.
 */
export function loadGraph(text: string, examples?: number): Graph {
  if (examples !== undefined && !(Number.isInteger(examples) && examples >= 1))
    fail("graph", "load", "examples", "a whole number >= 1", examples);
  const saved = parse(text);
  const tracer = new GraphTracer();
  const values: Value[] = saved.leaves.map((leaf) => loadLeaf(tracer, leaf, examples));
  const at = (value: unknown): Value => {
    check(typeof value === "number" && values[value] !== undefined, "number of a value", `0 to ${values.length - 1}`, value);
    return values[value];
  };
  saved.nodes.forEach((node, index) => {
    check(isRecord(node) && Array.isArray(node.inputs), `node ${index}`, "operator, options and inputs", node);
    tracer.path = node.path ?? "";
    values.push(...apply(tracer, index, node.operator, node.options, node.inputs.map(at)));
  });
  tracer.path = "";
  for (const output of saved.outputs) {
    check(isRecord(output) && typeof output.name === "string", "output", "a name and a value", output);
    tracer.output(output.name, at(output.value));
  }
  for (const update of saved.updates) {
    check(isRecord(update) && typeof update.state === "string", "update", "a state and a value", update);
    const value = at(update.value);
    check(!value.type.batched, `update of ${update.state}`, "a value that is not batched", update);
    tracer.update(tracer.state(update.state, value.type), value);
  }
  return tracer.finish();
}

function parse(text: string): Saved {
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch {
    check(false, "text", "JSON", text);
  }
  check(isRecord(saved) && saved.format === format, "format", `"${format}"`, isRecord(saved) ? saved.format : saved);
  const { leaves, nodes, outputs, updates } = saved;
  check(
    Array.isArray(leaves) && Array.isArray(nodes) && Array.isArray(outputs) && Array.isArray(updates),
    "parts",
    "lists of leaves, nodes, outputs, updates",
    Object.keys(saved),
  );
  return { format, leaves, nodes, outputs, updates };
}

function apply(tracer: GraphTracer, index: number, name: string, options: unknown, inputs: readonly Value[]): readonly Value[] {
  const operator: Operator | undefined = operators.find((known) => known.name === name);
  check(operator !== undefined, `operator of node ${index}`, operators.map((known) => known.name).join(", "), name);
  try {
    return tracer.apply(operator, options, inputs);
  } catch (error) {
    // options of another form break an operator in its own way
    if (error instanceof ToeplitzError) throw error;
    check(false, `node ${index}`, `options of ${name}`, options);
  }
}

function loadLeaf(tracer: GraphTracer, leaf: Leaf, examples: number | undefined): Value {
  check(isRecord(leaf), "leaf", "an input, a state, a constant or examples", leaf);
  switch (leaf.kind) {
    case "examples":
      return tracer.examples();
    case "input":
    case "state": {
      const { name, type } = leaf;
      const whole =
        typeof name === "string" && isRecord(type) && isDType(type.dtype) && isExtents(type.shape) && typeof type.batched === "boolean";
      check(
        whole && (!type.batched || (leaf.kind === "input" && type.shape.length > 0)),
        `${leaf.kind} ${name}`,
        "a name and a type",
        type,
      );
      const shape = type.batched && examples !== undefined ? [examples, ...type.shape.slice(1)] : type.shape;
      return tracer[leaf.kind](name, { dtype: type.dtype, shape, batched: type.batched });
    }
    case "constant":
      return tracer.constant(loadConstant(leaf));
    default:
      check(false, "kind of a leaf", "input, state, constant or examples", leaf);
  }
}

function loadConstant(leaf: Leaf & { readonly kind: "constant" }): Content {
  const { shape } = leaf;
  check(isExtents(shape), "shape of a constant", "extents", shape);
  if ("fill" in leaf) {
    check(typeof leaf.fill === "number" || ["NaN", "Infinity", "-Infinity", "-0"].includes(leaf.fill), "constant", "a number", leaf.fill);
    return { shape, fill: Number(leaf.fill) };
  }
  check(
    isDType(leaf.dtype) && typeof leaf.cells === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(leaf.cells),
    "constant",
    "a type and base64 cells",
    leaf.dtype,
  );
  const bytes = Uint8Array.from(atob(leaf.cells), (letter) => letter.charCodeAt(0));
  const wanted = size(shape) * (leaf.dtype === "u8" ? 1 : 4);
  check(bytes.length === wanted, "cells of a constant", `${wanted} bytes for ${leaf.dtype}[${shape.join(",")}]`, bytes.length);
  const data = leaf.dtype === "f32" ? new Float32Array(bytes.buffer) : leaf.dtype === "i32" ? new Int32Array(bytes.buffer) : bytes;
  return { dtype: leaf.dtype, shape, data };
}
