import { sameShape, size, type TensorType } from "../base/types.ts";
import { type Graph, type GraphNode, ownInputs } from "../graph/graph.ts";
import type { Device, Emission, Layout, OperandRef } from "../ops/contract.ts";
import { conversion, conversionTime, haloFill, haloTime } from "../ops/convert/index.ts";
import { place, plainLayout, printLayout } from "../ops/layout.ts";
import type { Buffer, BufferKind, PlannedOperand, PlannedStep } from "./buffers.ts";
import type { Choice } from "./choose.ts";
import { copyFor, fits, homeOf, type Want } from "./instances.ts";
import { blockOf, isSeen, usesOf, wantOf } from "./uses.ts";

/** A value in one layout: where its cells are. */
interface Instance {
  readonly layout: Layout;
  readonly buffer: number;
}

/** Turns chosen nodes into steps over buffers: conversions where layouts differ, halos filled, states updated in place. */
export class Lowering {
  readonly buffers: Buffer[] = [];
  readonly steps: PlannedStep[] = [];
  readonly #graph: Graph;
  readonly #choices: readonly Choice[];
  readonly #device: Device;
  readonly #instances = new Map<number, Instance[]>();
  /** How each value is wanted, in the order in which it is asked for. */
  readonly #wants: readonly (readonly Want[])[];
  /** Layout in which each value is made. */
  readonly #homes: readonly Layout[];
  /** States that a node may write directly, by the value that updates them. */
  readonly #direct: ReadonlyMap<number, string>;
  #node = -1;

  constructor(graph: Graph, choices: readonly Choice[], device: Device) {
    this.#graph = graph;
    this.#choices = choices;
    this.#device = device;
    const uses = usesOf(graph);
    this.#wants = uses.map((list) =>
      list.map(({ node, slot }) => (node === null ? "bare" : wantOf(graph.nodes[node], choices[node], slot))),
    );
    this.#homes = graph.values.map((_, value) => homeOf(blockOf(graph, choices, value), this.#wants[value], isSeen(graph, uses, value)));
    this.#direct = directUpdates(graph);
  }

  run(): void {
    const { values, nodes, updates, outputs } = this.#graph;
    values.forEach(({ source, type }, value) => {
      if (source.kind !== "node")
        this.#hold(value, plainLayout, this.#buffer(size(type.shape), sourceUse(source), { type, layout: plainLayout }));
    });
    nodes.forEach((node, index) => {
      this.#node = index;
      this.#lower(node, this.#choices[index]);
    });
    this.#node = -1;
    const finals = updates.filter(({ state, value }) => this.#direct.get(value) !== state || !this.#wroteDirectly.has(value));
    const held = finals.map(({ value }) => this.#buffer(size(values[value].type.shape), { kind: "transient" }, null));
    // two passes: an update may read a state that another update writes
    finals.forEach(({ value }, i) => this.#copy(this.#need(value, "bare"), held[i], values[value].type, "hold update"));
    finals.forEach(({ state, value }, i) =>
      this.#copy(held[i], this.#stateBuffer(state, values[value].type), values[value].type, `update ${state}`),
    );
    for (const { name, value } of outputs) {
      const { type } = values[value];
      const target = this.#buffer(size(type.shape), { kind: "output", name }, { type, layout: plainLayout });
      const [from, found] = this.#instancesOf(value, "bare");
      if (found === undefined) this.#convert(type, from, { layout: plainLayout, buffer: target }, `output ${name}`);
      else this.#copy(found.buffer, target, type, `output ${name}`);
    }
  }

  readonly #wroteDirectly = new Set<number>();

  #buffer(words: number, use: BufferKind, value: Buffer["value"]): number {
    this.buffers.push({ id: this.buffers.length, words: Math.max(1, words), use, value });
    return this.buffers.length - 1;
  }

  #hold(value: number, layout: Layout, buffer: number): void {
    const list = this.#instances.get(value) ?? [];
    list.push({ layout, buffer });
    this.#instances.set(value, list);
  }

  #stateBuffer(name: string, type: TensorType): number {
    const known = this.buffers.find(({ use }) => use.kind === "state" && use.name === name);
    return known?.id ?? this.#buffer(size(type.shape), { kind: "state", name }, { type, layout: plainLayout });
  }

  /** Buffer of a value in a layout that serves the want, copied from its home when there is none yet. */
  #need(value: number, want: Want): number {
    const [from, found] = this.#instancesOf(value, want);
    if (found !== undefined) return found.buffer;
    const { type } = this.#graph.values[value];
    const layout = copyFor(want, this.#wants[value]);
    const buffer = this.#buffer(place(type, layout).words, { kind: "transient" }, { type, layout });
    this.#convert(type, from, { layout, buffer }, `convert ${printLayout(from.layout)} -> ${printLayout(layout)}`);
    this.#fill(type, layout, buffer);
    this.#hold(value, layout, buffer);
    return buffer;
  }

  /** The home of a value, and where it lies as wanted. */
  #instancesOf(value: number, want: Want): [Instance, Instance | undefined] {
    const list = this.#instances.get(value) ?? [];
    return [list[0], list.find(({ layout }) => fits(layout, want))];
  }

  #fill(type: TensorType, layout: Layout, buffer: number): void {
    if (!layout.halo.some(({ low, high }) => low > 0 || high > 0)) return;
    const { routine, chunks } = haloFill(type, layout);
    this.#step({
      routine,
      chunks,
      node: this.#node,
      label: `halo ${printLayout(layout)}`,
      move: haloTime(type, layout),
      operands: [{ buffer, access: "update" }],
    });
  }

  #copy(source: number, target: number, type: TensorType, label: string): void {
    this.#convert(type, { layout: plainLayout, buffer: source }, { layout: plainLayout, buffer: target }, label);
  }

  #convert(type: TensorType, from: Instance, to: Instance, label: string): void {
    const { routine, chunks } = conversion(type, from.layout, to.layout, this.#device);
    this.#step({
      routine,
      chunks,
      node: this.#node,
      label,
      move: conversionTime(type, from.layout, to.layout),
      operands: [
        { buffer: from.buffer, access: "read" },
        { buffer: to.buffer, access: "write" },
      ],
    });
  }

  #step(step: PlannedStep): void {
    this.steps.push(step);
  }

  #lower(node: GraphNode, { algorithm, layout: choice }: Choice): void {
    const own = ownInputs(node);
    const { values } = this.#graph;
    const buffers = node.inputs.map((value, slot) => this.#need(value, wantOf(node, { algorithm, layout: choice }, slot)));
    if (algorithm === null) {
      this.#hold(node.outputs[0], plainLayout, buffers[0]);
      return;
    }
    const layouts = buffers.map((buffer) => this.buffers[buffer].value?.layout ?? plainLayout);
    const outputs = node.outputs.map((value) => this.#homes[value]);
    const emission = algorithm.emit(
      node.plan,
      { inputs: layouts.slice(0, own), operands: layouts.slice(own), outputs },
      node.fusion,
      this.#device,
    );
    const targets = node.outputs.map((value, i) => {
      const { type } = values[value];
      const state = this.#direct.get(value);
      const direct =
        state !== undefined && outputs[i].block === 1 && outputs[i].halo.length === 0 && this.#mayWrite(state, type, buffers, emission, i);
      if (direct) this.#wroteDirectly.add(value);
      return direct
        ? this.#stateBuffer(state, type)
        : this.#buffer(place(type, outputs[i]).words, { kind: "transient" }, { type, layout: outputs[i] });
    });
    this.#emit(emission, buffers.slice(0, own), buffers.slice(own), targets, algorithm.id);
    node.outputs.forEach((value, i) => {
      this.#fill(values[value].type, outputs[i], targets[i]);
      this.#hold(value, outputs[i], targets[i]);
    });
  }

  /** A node may write its result over the old state when it does not read it, or reads each cell before it writes it there. */
  #mayWrite(state: string, type: TensorType, buffers: readonly number[], { inPlace }: Emission, output: number): boolean {
    const old = this.#stateBuffer(state, type);
    const reads = buffers.flatMap((buffer, input) => (buffer === old ? [input] : []));
    const value = this.buffers[old].value;
    const allowed = inPlace === true || (typeof inPlace === "function" && reads.every((input) => inPlace(output, input)));
    return reads.length === 0 || (allowed && value !== null && sameShape(value.type.shape, type.shape));
  }

  #emit(emission: Emission, inputs: readonly number[], operands: readonly number[], outputs: readonly number[], label: string): void {
    const temporaries = emission.temporaries.map((bytes) => this.#buffer(Math.ceil(bytes / 4), { kind: "transient" }, null));
    const constants = emission.constants.map((table) => this.#buffer(table.length, { kind: "constant", content: table }, null));
    const resolve = ({ of, index, access }: OperandRef): PlannedOperand => ({
      buffer: { input: inputs, operand: operands, output: outputs, temporary: temporaries, constant: constants }[of][index],
      access,
    });
    const inPlace = emission.inPlace === true && emission.steps.length === 1;
    for (const { routine, operands: refs, chunks } of emission.steps)
      this.#step({ routine, chunks, node: this.#node, label, operands: refs.map(resolve), ...(inPlace && { inPlace }) });
  }
}

function sourceUse(source: Exclude<Graph["values"][number]["source"], { kind: "node" }>): BufferKind {
  return source;
}

/** Updates whose value may be written straight into the state: nothing reads the old state after the node that makes it. */
function directUpdates(graph: Graph): Map<number, string> {
  const result = new Map<number, string>();
  const maker = new Map<number, number>();
  const lastRead = new Map<number, number>();
  const viewed = new Set<number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) maker.set(output, index);
    for (const input of node.inputs) lastRead.set(input, index);
    if (isView(node)) for (const input of node.inputs) viewed.add(input);
  });
  for (const { state, value } of graph.updates) {
    const made = maker.get(value);
    if (made === undefined || result.has(value)) continue;
    const old = graph.values.findIndex(({ source }) => source.kind === "state" && source.name === state);
    const outputs = graph.outputs.some((output) => output.value === old) || graph.updates.some((update) => update.value === old);
    if (old >= 0 && ((lastRead.get(old) ?? -1) > made || viewed.has(old) || outputs)) continue;
    result.set(value, state);
  }
  return result;
}

const isView = (node: GraphNode): boolean => node.operator.alias?.(node.plan) === true;
