import { size, type TensorType } from "../base/types.ts";
import { type Graph, inputsOf } from "../graph/graph.ts";
import type { LayerInfo } from "../nn/scope.ts";
import { type Field, printField, receptiveFields } from "./receptive-field.ts";

/** A traced net: what `traceEvaluation` gives, or what a model file holds. */
export interface TracedNet {
  readonly graph: Graph;
  readonly parameters: readonly { readonly name: string; readonly type: TensorType }[];
  readonly layers: readonly LayerInfo[];
}

/** One line of the table of layers. Counts are for one example. */
export interface LayerSummary {
  readonly path: string;
  readonly kind: string;
  /** Extents of one example's output: `[16, 28, 28]`. */
  readonly output: string;
  readonly parameters: number;
  readonly multiplyAdds: number;
  /** Cells of the input that one cell of the output depends on: `14 x 14`. Left out where it is not known. */
  readonly receptiveField?: string;
  /** Input cells between neighbouring cells of the output, per axis: `4 x 4`. */
  readonly jump?: string;
  /** First input cell that cell 0 sees, per axis; negative in the padding: `-2 x -2`. */
  readonly start?: string;
}

/** A net in numbers. */
export interface NetSummary {
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  readonly multiplyAdds: number;
}

interface Row {
  readonly path: string;
  kind: string;
  output: TensorType;
  parameters: number;
  multiplyAdds: number;
  field: Field;
}

const inside = (path: string, folder: string): boolean => folder === "" || path === folder || path.startsWith(`${folder}/`);

/** The longest of the paths that a path lies in. */
export function owner(path: string, paths: readonly string[]): string | undefined {
  return paths.reduce<string | undefined>(
    (best, one) => (inside(path, one) && (best === undefined || one.length > best.length) ? one : best),
    undefined,
  );
}

/**
 * Table of a net's layers with their parameters, multiply-adds (of each layer's operators) and receptive fields, in the order of the computation.
 * What a net computes outside of its layers (the sum of a residual) has lines of its own.
 */
export function summarise({ graph, parameters, layers }: TracedNet): NetSummary {
  const examples = Math.max(1, ...inputsOf(graph).flatMap(({ type }) => (type.batched ? [type.shape[0]] : [])));
  const fields = receptiveFields(graph);
  const rows = new Map<string, Row>();
  const paths = layers.map(({ path }) => path).filter((path) => path !== "");
  let noted = 0;
  /** Layers that compute nothing (dropout in inference) keep their place: before the first node of the next layer. */
  const noteUpTo = (path: string): void => {
    const last = layers.findIndex((layer) => layer.path === path);
    for (; noted <= last; noted++) addLayer(rows, layers[noted]);
  };
  for (const node of graph.nodes) {
    const path = owner(node.path, paths) ?? node.path;
    noteUpTo(path);
    const output = node.outputs[0];
    const row = rows.get(path) ?? {
      path,
      kind: kindOf(node.path, node.operator.name),
      output: graph.values[output].type,
      parameters: 0,
      multiplyAdds: 0,
      field: null,
    };
    rows.set(path, row);
    row.multiplyAdds += node.operator.cost(node.plan).multiplyAdds / examples;
    row.field = fields[output];
    if (!paths.includes(path)) row.output = graph.values[output].type;
  }
  for (; noted < layers.length; noted++) addLayer(rows, layers[noted]);
  const total = { parameters: 0, multiplyAdds: 0 };
  for (const { name, type } of parameters) {
    total.parameters += size(type.shape);
    const row = rows.get(
      owner(
        name,
        [...rows.keys()].filter((path) => path !== ""),
      ) ?? "",
    );
    if (row !== undefined) row.parameters += size(type.shape);
  }
  for (const row of rows.values()) total.multiplyAdds += row.multiplyAdds;
  const inputs = inputsOf(graph).flatMap(({ name, type }) =>
    type.batched && type.dtype === "f32" ? [{ name, shape: type.shape.slice(1) }] : [],
  );
  const extents = inputs.find(({ shape }) => shape.length > 1)?.shape.slice(1) ?? [];
  return { inputs, layers: [...rows.values()].map((row) => print(row, extents)), ...total, multiplyAdds: Math.round(total.multiplyAdds) };
}

function addLayer(rows: Map<string, Row>, { path, kind, output }: LayerInfo): void {
  if (path === "") return;
  const known = rows.get(path);
  if (known !== undefined) known.kind = kind;
  else rows.set(path, { path, kind, output, parameters: 0, multiplyAdds: 0, field: [...rows.values()].at(-1)?.field ?? null });
}

/** `3-residual` -> `residual`; what has no path is named by its operator. */
function kindOf(path: string, operator: string): string {
  const last = path.split("/").at(-1) ?? "";
  return /^\d+-(.+)$/.exec(last)?.[1] ?? operator;
}

function print({ path, kind, output, parameters, multiplyAdds, field }: Row, extents: readonly number[]): LayerSummary {
  const receptiveField = printField(field, extents);
  const shape = output.batched ? output.shape.slice(1) : output.shape;
  return {
    path: path === "" ? "(net)" : path,
    kind,
    output: `[${shape.join(", ")}]`,
    parameters,
    multiplyAdds: Math.round(multiplyAdds),
    ...(receptiveField === undefined ? {} : { receptiveField }),
    ...(field === null || shape.length <= field.length
      ? {}
      : { jump: printCells(field.map(({ jump }) => jump)), start: printCells(field.map(({ start }) => start)) }),
  };
}

const printCells = (cells: readonly number[]): string => cells.map((cell) => Math.round(cell * 1000) / 1000).join(" x ");
