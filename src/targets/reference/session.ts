import { fail, invariant } from "../../base/errors.ts";
import { printType, sameShape, size, type Tensor, type TensorType } from "../../base/types.ts";
import { type Graph, type GraphNode, type GraphValue, maximalExamples, statesOf } from "../../graph/graph.ts";
import { prune } from "../../graph/rewrite.ts";
import type { Feeds, Outputs, Program, Session, Target } from "../../graph/session.ts";

/** The oracle: interprets a graph in float64 with plain loops. Runs anywhere. */
export const referenceTarget: Target = { open: async () => new ReferenceSession() };

/** States in float64, shared by the programs of the session. */
class ReferenceSession implements Session {
  readonly description = "reference, float64";
  readonly #states = new Map<string, { type: TensorType; cells: Float64Array }>();

  async compile(graph: Graph): Promise<Program> {
    const kept = prune(graph);
    const declared = [...statesOf(kept), ...kept.updates.map(({ state, value }) => ({ name: state, type: kept.values[value].type }))];
    for (const { name, type } of declared) {
      const known = this.#states.get(name);
      if (known === undefined) this.#states.set(name, { type, cells: new Float64Array(size(type.shape)) });
      else if (!sameShape(known.type.shape, type.shape))
        fail("session", "compile", `state ${name}`, printType(known.type), printType(type), "Open another session for another net.");
    }
    return {
      choices: { tier: "reference", nodes: [] },
      run: async (feeds, examples = maximalExamples(kept)) => this.#run(kept, feeds, examples),
      explain: () =>
        kept.nodes.map((node) => `reference: ${node.path === "" ? "" : `${node.path}: `}${node.operator.line(node.plan)}`).join("\n"),
      plannedBytes: kept.values.reduce((sum, { type }) => sum + 8 * size(type.shape), 0),
      close: () => {},
    };
  }

  #run(graph: Graph, feeds: Feeds, examples: number): Outputs {
    const at = (type: TensorType): TensorType => (type.batched ? { ...type, shape: [examples, ...type.shape.slice(1)] } : type);
    const cells = graph.values.map((value) => this.#given(value, at, feeds, examples));
    for (const node of graph.nodes) {
      const plan = planFor(
        node,
        node.inputs.map((input) => at(graph.values[input].type)),
        graph.values.some(({ type }) => type.batched && type.shape[0] !== examples),
      );
      const results = node.operator.reference(
        plan,
        node.inputs.map((input) => this.#made(cells[input])),
      );
      node.outputs.forEach((output, i) => {
        cells[output] = results[i];
      });
    }
    const results: Record<string, Tensor> = {};
    for (const { name, value } of graph.outputs) {
      const type = at(graph.values[value].type);
      const data = this.#made(cells[value]);
      results[name] = {
        dtype: type.dtype,
        shape: type.shape,
        data: type.dtype === "i32" ? Int32Array.from(data) : Float32Array.from(data),
      };
    }
    const updates = graph.updates.map(({ state, value }) => ({ state, cells: this.#made(cells[value]).slice() }));
    for (const update of updates) this.#slot(update.state).cells.set(update.cells);
    return results;
  }

  /** Cells of a value that no node makes; null for those that one makes. */
  #given({ source, type }: GraphValue, at: (type: TensorType) => TensorType, feeds: Feeds, examples: number): Float64Array | null {
    switch (source.kind) {
      case "node":
        return null;
      case "examples":
        return Float64Array.of(examples);
      case "state":
        return this.#slot(source.name).cells;
      case "constant":
        return "fill" in source.content
          ? new Float64Array(size(type.shape)).fill(source.content.fill)
          : Float64Array.from(source.content.data);
      case "input":
        return this.#feed(source.name, at(type), feeds);
    }
  }

  #made(cells: Float64Array | null): Float64Array {
    invariant(cells !== null, () => "a value is used before it is made");
    return cells;
  }

  #feed(name: string, type: TensorType, feeds: Feeds): Float64Array {
    const given = feeds[name];
    if (given === undefined) fail("program", "run", `feed ${name}`, printType(type), "nothing");
    if (typeof given === "number") return Float64Array.of(given);
    if (given.length < size(type.shape))
      fail("program", "run", `feed ${name}`, `${size(type.shape)} cells for ${printType(type)}`, given.length);
    return Float64Array.from(given.subarray(0, size(type.shape)));
  }

  #slot(name: string): { type: TensorType; cells: Float64Array } {
    const slot = this.#states.get(name);
    if (slot === undefined) fail("session", "state", "name of a state", [...this.#states.keys()].join(", "), name);
    return slot;
  }

  states(): string[] {
    return [...this.#states.keys()];
  }

  async read(state: string): Promise<Tensor> {
    const { type, cells } = this.#slot(state);
    return { dtype: type.dtype, shape: type.shape, data: Float32Array.from(cells) };
  }

  async write(state: string, { shape, data }: Tensor): Promise<void> {
    const slot = this.#slot(state);
    if (!sameShape(slot.type.shape, shape)) fail("session", "write", `state ${state}`, printType(slot.type), `[${shape.join(",")}]`);
    slot.cells.set(data);
  }

  async close(): Promise<void> {
    this.#states.clear();
  }
}

/** A short batch is the same node planned for fewer examples. */
function planFor(node: GraphNode, types: readonly TensorType[], short: boolean): unknown {
  return short ? node.operator.plan(node.options, types) : node.plan;
}
