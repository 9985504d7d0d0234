import { sameShape, type TensorType } from "../base/types.ts";
import { type Graph, type GraphNode, inputsOf } from "../graph/graph.ts";
import type { Axis } from "../grid/axis.ts";
import type { GridLinearPlan } from "../ops/grid-linear/index.ts";
import type { MovePlan } from "../ops/move/index.ts";
import type { WindowPlan } from "../ops/window/index.ts";

/** What one cell of a value sees along one axis of the net's input. */
export interface FieldAxis {
  /** Input cells that it depends on. */
  readonly size: number;
  /** Input cells between what neighbouring cells see; below 1 after upsampling. */
  readonly jump: number;
  /** First input cell that cell 0 sees; negative where it sees padding. After upsampling it is that of one of several alignments. */
  readonly start: number;
}

/** One entry for each axis of the input; null where a value does not depend on it, or in a way that is not followed. */
export type Field = readonly FieldAxis[] | null;

/** Receptive field and jump after one axis of an operator, given those before it. */
type Rule = (before: FieldAxis) => FieldAxis;

type WindowAxis = Pick<Axis, "kernel" | "dilation" | "stride" | "low">;

/** A window of k cells, d apart, moved by s: size + (k - 1) d jump, jump s, start - low jump. Source: Araujo et al. 2019, eq. 1 to 3. */
const windowed =
  ({ kernel, dilation, stride, low }: WindowAxis): Rule =>
  ({ size, jump, start }) => ({ size: size + (kernel - 1) * dilation * jump, jump: jump * stride, start: start - low * jump });

/** The transposed window: one cell of the result gathers at most ceil(span / s) cells, and s of them lie where one was. */
const transposed =
  ({ kernel, dilation, stride, low }: WindowAxis): Rule =>
  ({ size, jump, start }) => ({
    size: size + (Math.ceil(((kernel - 1) * dilation + 1) / stride) - 1) * jump,
    jump: jump / stride,
    start: start + ((low - (kernel - 1) * dilation) / stride) * jump,
  });

/** How operators that change extents move the field, for their last axes; null where it is not followed. Operators without a row are judged by their extents. */
const rules: Readonly<Record<string, (plan: unknown) => readonly Rule[] | null>> = {
  "grid-linear": (plan) => {
    const { role, axes } = plan as GridLinearPlan;
    return role === "kernel" ? null : axes.map(role === "forward" ? windowed : transposed);
  },
  window: (plan) => {
    const { role, axes } = plan as WindowPlan;
    return role === "select" ? axes.slice(1).map(windowed) : null;
  },
  move: (plan) => {
    const { move } = plan as MovePlan;
    if (move.kind !== "remap") return move.kind === "reshape" || move.kind === "concat" ? [] : null;
    return move.axes.slice(1).map(
      ({ step, repeat, start: from }): Rule =>
        ({ size, jump, start }) => ({ size, jump: (jump * Math.abs(step)) / repeat, start: start + from * jump }),
    );
  },
  matmul: () => null,
};

/**
 * Receptive field of every value of a graph on the axes of one input: size and jump through windows, unions through folds, maxima through joins.
 * Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks".
 * Units: input cells; sizes do not stop at the input's extents, since padding is seen too.
 */
export function receptiveFields(graph: Graph, input?: string): Field[] {
  const root = inputsOf(graph).find(({ name, type }) => (input === undefined ? type.batched && type.shape.length > 2 : name === input));
  const fields: Field[] = graph.values.map(() => null);
  if (root === undefined) return fields;
  const axes = root.type.shape.length - 2;
  fields[root.value] = new Array<FieldAxis>(axes).fill({ size: 1, jump: 1, start: 0 });
  for (const node of graph.nodes) {
    const field = fieldAfter(graph, node, fields, axes);
    for (const output of node.outputs) fields[output] = field;
  }
  return fields;
}

/** The extents that may still be the axes of the input: the last ones, behind examples and channels; null where there are too few. */
function lastExtents({ shape, batched }: TensorType, axes: number): readonly number[] | null {
  return shape.length - (batched ? 1 : 0) > axes ? shape.slice(shape.length - axes) : null;
}

function fieldAfter(graph: Graph, node: GraphNode, fields: readonly Field[], axes: number): Field {
  const rule = rules[node.operator.name]?.(node.plan);
  if (rule === null) return null;
  let result: Field = null;
  for (const id of node.inputs) {
    const before = fields[id];
    if (before === null) continue;
    const from = lastExtents(graph.values[id].type, axes);
    const to = lastExtents(graph.values[node.outputs[0]].type, axes);
    // cells in another arrangement, still on several axes: which is which is not followed
    if (node.operator.name === "move" && rule?.length === 0 && from !== null && to !== null && !sameShape(from, to)) return null;
    const after = before.map((field, axis): FieldAxis => {
      if (rule !== undefined && rule.length === axes) return rule[axis](field);
      // an operator that leaves an extent alone works cell by cell; one that does not sees the whole axis
      if (from === null || (to !== null && from[axis] === to[axis])) return field;
      return { ...field, size: field.size + (from[axis] - 1) * field.jump, jump: field.jump * from[axis] };
    });
    result = result === null ? after : result.map((field, axis) => joined(field, after[axis]));
  }
  return result;
}

/** What a cell sees through two inputs; one of them may be the same for all cells, hence the smaller jump. */
function joined(a: FieldAxis, b: FieldAxis): FieldAxis {
  const start = Math.min(a.start, b.start);
  return { size: Math.max(a.start + a.size, b.start + b.size) - start, jump: Math.min(a.jump, b.jump), start };
}

/** `14 x 14`, never more than the input has; fractions are rounded up. */
export function printField(field: Field, extents: readonly number[]): string | undefined {
  if (field === null) return undefined;
  return field.map(({ size }, axis) => Math.min(extents[axis] ?? size, Math.ceil(size))).join(" x ");
}
