/**
 * Builds the routines of the wide tier into one module, and compiles it. `node --trace-wasm-revectorize ... routines.ts FILE` writes to the file which
 * functions are whose; what the engine says of each goes to standard output.
 */
import { writeFileSync } from "node:fs";
import { layerCases } from "../../bench/cases/layers.ts";
import { graphOfLine, workOf } from "../../bench/costs/work.ts";
import { ModuleBuilder } from "../../src/emit/wasm/module.ts";
import type { Graph, GraphNode } from "../../src/graph/graph.ts";
import { call, type Device, type Expression, operand, type Routine } from "../../src/ops/contract.ts";
import { pooledType } from "../../src/ops/pool.ts";
import { Catalogue, offers } from "../../src/plan/candidates.ts";
import { prepare } from "../../src/plan/plan.ts";
import { trialsOf } from "../../src/plan/trial.ts";
import { isAlias } from "../../src/plan/uses.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";

const algorithms = await everyAlgorithm();

const device: Device = { tier: "wide", fma: true, wide: true };

/** The functions of the module that a routine is made of; equal ones belong to several routines. */
export interface Packed {
  readonly label: string;
  readonly key: string;
  readonly functions: readonly number[];
}

/** Notes which functions are asked for. */
class Recorder extends ModuleBuilder {
  asked: number[] = [];

  override function(...call: Parameters<ModuleBuilder["function"]>): number {
    const index = super.function(...call);
    this.asked.push(index);
    return index;
  }
}

const [result, first, second, third] = [0, 1, 2, 3].map(operand);
const sum = (...parts: readonly Expression[]): Expression => parts.reduce((a, b) => call("add", a, b));
const scaled = call("add", call("multiply", result, first), second);

/** What nets fuse into convolutions; operands are values of a channel, then of a cell. */
const epilogues: readonly (readonly [epilogue: Expression, channels: number, cells: number])[] = [
  [sum(result, first), 1, 0],
  [call("relu", sum(result, first)), 1, 0],
  [scaled, 2, 0],
  [call("relu", scaled), 2, 0],
  [call("relu6", scaled), 2, 0],
  [call("silu", scaled), 2, 0],
  [call("relu", sum(scaled, third)), 2, 1],
];

/** The graph of a line with something fused into its node: a formula, and windows of so many cells (4 in a row, 2 on each of more axes). */
function fuse(graph: Graph, [epilogue, channels, cells]: (typeof epilogues)[number], pooled = false): Graph {
  const [node] = graph.nodes;
  const { type } = graph.values[node.outputs[0]];
  const axes = type.shape.length - 2;
  const pool = pooled ? { extents: type.shape.slice(2).map((extent) => Math.min(extent, axes === 1 ? 4 : 2)) } : undefined;
  const channel = { dtype: "f32", shape: [type.shape[1], ...type.shape.slice(2).map(() => 1)], batched: false } as const;
  const operands = [...new Array(channels).fill(channel), ...new Array(cells).fill(type)];
  const values = operands.map((own, i) => ({ type: own, source: { kind: "input", name: `o${i}` } as const }));
  const inputs = [...node.inputs, ...values.map((_, i) => graph.values.length + i)];
  const fused: GraphNode = { ...node, inputs, fusion: { epilogue, operands, ...(pool && { pool }) } };
  const made = graph.values.map((value, i) => (i === node.outputs[0] ? { ...value, type: pooledType(type, pool) } : value));
  return { ...graph, values: [...made, ...values], nodes: [fused] };
}

/** Routines of every candidate of every node, each once. */
function collect(): Map<string, { label: string; routine: Routine }> {
  const found = new Map<string, { label: string; routine: Routine }>();
  const add = (graph: Graph): void => {
    const isTaken = ({ operator, plan, fusion }: GraphNode): boolean =>
      algorithms.some((own) => own.operator === operator.name && offers(own, plan, fusion, device, []).length > 0);
    if (!graph.nodes.every((node) => isAlias(node) || isTaken(node))) return;
    const candidates = new Catalogue(algorithms, device).ofGraph(graph);
    for (const index of graph.nodes.keys()) {
      for (const { plan } of trialsOf(graph, index, candidates[index], device, Number.POSITIVE_INFINITY)) {
        for (const { label, routine, move } of plan.steps) if (move === undefined) found.set(routine.key, { label, routine });
      }
    }
  };
  for (const { graph } of workOf(/^(lenet|resnet|mobilenet|default)/))
    if (graph.nodes.length > 1) add(prepare(graph, algorithms, device).graph);
  // tiles do not depend on the batch
  const lines = layerCases().flatMap(({ name, line }) => (line === undefined || /batch [28]/.test(name) ? [] : [line]));
  for (const line of lines) {
    const graph = graphOfLine(line);
    add(graph);
    if (line.startsWith("grid-linear forward")) {
      for (const epilogue of epilogues) add(fuse(graph, epilogue));
      add(fuse(graph, epilogues[epilogues.length - 1], true));
    }
  }
  return found;
}

if (import.meta.main) {
  const builder = new Recorder({ minimum: 1, maximum: 65536, shared: true });
  const packed: Packed[] = [];
  for (const [key, { label, routine }] of collect()) {
    builder.asked = [];
    builder.export(`r${packed.length}`, routine.build(builder));
    packed.push({ label, key, functions: [...new Set(builder.asked)] });
  }
  new WebAssembly.Module(builder.encode());
  writeFileSync(process.argv[2], JSON.stringify(packed));
}
