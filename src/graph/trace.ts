import { fail, invariant } from "../base/errors.ts";
import { printType, sameShape, size, type Tensor, type TensorType } from "../base/types.ts";
import type { AxisExtent, Extents, Operator, Tracer, Value } from "../ops/contract.ts";
import type { Content, Graph, GraphNode, GraphValue, Source } from "./graph.ts";
import { extentOf, maskedBeyond } from "./unequal.ts";

/** What a layer makes of the extents of examples. */
export interface ExtentRule {
  readonly path: string;
  readonly extent: AxisExtent;
  /** Cells that every example needs there. */
  readonly least: number;
}

/** Most cells of a constant that is compared with others: equal ones become one value. */
const mostCompared = 1024;

/** Takes down a computation as a Graph. One tracer makes one graph; nothing is ambient. */
export class GraphTracer implements Tracer {
  readonly #values: GraphValue[] = [];
  readonly #nodes: GraphNode[] = [];
  readonly #handles: Value[] = [];
  readonly #named = new Map<string, Value>();
  /** Operators are pure: the same call on the same values is the same node. */
  readonly #calls = new Map<string, readonly Value[]>();
  readonly #outputs: { name: string; value: number }[] = [];
  readonly #updates: { state: string; value: number }[] = [];
  /** Extents of values whose examples are of unequal extents. */
  readonly #extents = new Map<number, Extents>();
  /** All extents there are, with the path of what made them and the cells that it needs. */
  readonly extentRules: ExtentRule[] = [];
  /** Operators see plain cells, as in gradients, whose nodes are made from nodes that are plain already. */
  #plain = false;
  /** Path of the layer that is being traced. */
  path = "";
  readonly #sharing: boolean;

  /** `sharing`: equal calls are one node; on when left out. */
  constructor({ sharing = true }: { readonly sharing?: boolean } = {}) {
    this.#sharing = sharing;
  }

  #value(type: TensorType, source: Source): Value {
    this.#values.push({ type, source });
    const handle: Value = { id: this.#values.length - 1, type, graph: this };
    this.#handles.push(handle);
    return handle;
  }

  #once(key: string, type: TensorType, source: Source): Value {
    const known = this.#named.get(key);
    if (known !== undefined) {
      const same = known.type.batched === type.batched && known.type.dtype === type.dtype && sameShape(known.type.shape, type.shape);
      if (!same) fail("graph", key, "type of a name that is used twice", printType(known.type), printType(type), "Give each its own name.");
      return known;
    }
    const made = this.#value(type, source);
    this.#named.set(key, made);
    return made;
  }

  /** A feed of the run, by name. */
  input(name: string, type: TensorType): Value {
    return this.#once(`input ${name}`, type, { kind: "input", name });
  }

  /** A value that lives in the session from run to run: a parameter, a running statistic, optimiser state. */
  state(name: string, type: TensorType): Value {
    invariant(!type.batched, () => `state ${name} cannot be batched`);
    return this.#once(`state ${name}`, type, { kind: "state", name });
  }

  constant(content: Content): Value {
    const dtype = "data" in content ? content.dtype : "f32";
    const type: TensorType = { dtype, shape: content.shape, batched: false };
    if ("data" in content) {
      invariant(
        content.data.length === size(content.shape),
        () => `constant of ${content.data.length} cells for shape ${content.shape.join("x")}`,
      );
    }
    const key =
      "fill" in content
        ? `fill ${content.fill} ${content.shape.join("x")}`
        : content.data.length <= mostCompared
          ? `data ${dtype} ${content.shape.join("x")} ${content.data.join(" ")}`
          : null;
    const source: Source = { kind: "constant", content };
    return key === null ? this.#value(type, source) : this.#once(key, type, source);
  }

  examples(): Value {
    return this.#once("examples", { dtype: "f32", shape: [], batched: false }, { kind: "examples" });
  }

  extents(value: Value): Extents | null {
    return this.#plain ? null : (this.#extents.get(value.id) ?? null);
  }

  /** Says that the examples of a value are of unequal extents; its cells beyond them must hold zero. */
  setExtents(value: Value, extents: Extents | null): void {
    if (extents === null || extents.every((extent) => extent === null)) return;
    for (const extent of extents) if (extent !== null) this.needs(extent, 1);
    // no example is empty, so that all have the only cell of an axis
    const several = extents.map((extent, axis) => (value.type.shape[axis + 1] === 1 ? null : extent));
    if (several.some((extent) => extent !== null)) this.#extents.set(value.id, several);
  }

  needs(extent: AxisExtent, least: number): void {
    this.extentRules.push({ path: this.path, extent, least });
  }

  unequal(extents: Extents | null, body: () => Value): Value {
    if (extents === null) return body();
    const cleared = this.plain(() => maskedBeyond(body(), extents));
    this.setExtents(cleared, extents);
    return cleared;
  }

  /** Traces `body` with no regard to extents. */
  plain<T>(body: () => T): T {
    const outer = this.#plain;
    this.#plain = true;
    try {
      return body();
    } finally {
      this.#plain = outer;
    }
  }

  apply<P, O>(operator: Operator<P, O>, options: O, inputs: readonly Value[]): readonly Value[] {
    for (const input of inputs) invariant(input.graph === this, () => `${operator.name}: a value of another graph`);
    if (!inputs.some((input) => this.extents(input) !== null)) return this.#applyPlain(operator, options, inputs);
    const plan = operator.plan(
      options,
      inputs.map((input) => input.type),
    );
    const given = inputs.map((value) => ({ value, extents: this.extents(value) }));
    const made = this.plain(() =>
      operator.unequal?.(
        plan,
        given,
        {
          apply: (others) => this.#applyPlain(operator, options, others),
          masked: (value, extents, fill) => maskedBeyond(value, extents, fill),
          extent: extentOf,
        },
        options,
      ),
    );
    if (made === undefined || typeof made === "string")
      return fail(
        "graph",
        this.path,
        `${operator.name} of examples of unequal extents`,
        "an operator that keeps examples apart",
        operator.line(plan),
        made,
      );
    for (const { value, extents } of made) this.setExtents(value, extents);
    return made.map(({ value }) => value);
  }

  #applyPlain<P, O>(operator: Operator<P, O>, options: O, inputs: readonly Value[]): readonly Value[] {
    const key = `${operator.name} ${JSON.stringify(options)} ${inputs.map((input) => input.id).join(" ")}`;
    const known = this.#calls.get(key);
    if (known !== undefined && this.#sharing) return known;
    const plan = operator.plan(
      options,
      inputs.map((input) => input.type),
    );
    const node = this.#nodes.length;
    const outputs = operator.outputs(plan).map((type, output) => this.#value(type, { kind: "node", node, output }));
    this.#calls.set(key, outputs);
    this.#nodes.push({
      operator: operator as Operator,
      options,
      plan,
      inputs: inputs.map((input) => input.id),
      outputs: outputs.map((output) => output.id),
      path: this.path,
      fusion: null,
    });
    return outputs;
  }

  /** Traces `body` under a longer path. */
  within<T>(name: string, body: () => T): T {
    const outer = this.path;
    this.path = outer === "" ? name : `${outer}/${name}`;
    try {
      return body();
    } finally {
      this.path = outer;
    }
  }

  /** Names a value that the run returns. */
  output(name: string, value: Value): void {
    if (this.#outputs.some((output) => output.name === name)) fail("graph", name, "output name", "a name of its own", `"${name}" twice`);
    this.#outputs.push({ name, value: value.id });
  }

  /** Gives a state the value that it has after the run. */
  update(state: Value, value: Value): void {
    const { source } = this.#values[state.id];
    invariant(source.kind === "state", () => "only a state can be updated");
    invariant(
      sameShape(state.type.shape, value.type.shape),
      () => `update of ${source.name}: ${printType(value.type)} into ${printType(state.type)}`,
    );
    invariant(!this.#updates.some((update) => update.state === source.name), () => `state ${source.name} is updated twice`);
    this.#updates.push({ state: source.name, value: value.id });
  }

  /** The node that makes a value; undefined for what is fed, kept or constant. */
  producer(value: Value): GraphNode | undefined {
    const { source } = this.#values[value.id];
    return source.kind === "node" ? this.#nodes[source.node] : undefined;
  }

  /** The value with this id. */
  handle(id: number): Value {
    return this.#handles[id];
  }

  /** What has been traced so far. */
  finish(): Graph {
    return { values: [...this.#values], nodes: [...this.#nodes], outputs: [...this.#outputs], updates: [...this.#updates] };
  }

  /** Nodes so far, for differentiation. */
  get nodes(): readonly GraphNode[] {
    return this.#nodes;
  }
}

/** A host tensor of f32 cells. */
export const tensor = (shape: readonly number[], data: ArrayLike<number>): Tensor => ({
  dtype: "f32",
  shape,
  data: Float32Array.from(data),
});
