import { size, type TensorType } from "../../base/types.ts";
import type { Layout } from "../contract.ts";
import { place } from "../layout.ts";
import { coalesce, cut, type Move, type Walk } from "../walk.ts";
import { isOfRows, type RowsPlan } from "./plan.ts";

/** How a tensor is met from row to row, four of which are the lanes of a vector: one cell for all, neighbours, or cells that lie apart. */
export type SideKind = "splat" | "vector" | "apart";

/** An operand or a result beside the rows. */
export interface Side {
  readonly kind: SideKind;
  readonly origin: number;
  readonly exampleStep: number;
  /** Words from row to row of a run. */
  readonly laneStep: number;
  /** Words from position to position of the row; 0 where one cell serves it. */
  readonly step: number;
  /** Positions that follow one another, and words from such a group to the next: the channels of a block. */
  readonly group: number;
  readonly groupStep: number;
  readonly integer: boolean;
  readonly ofRow: boolean;
}

/** Rows as runs of lanes. */
export interface RowWalk {
  readonly sides: readonly Side[];
  /** Axes of an example besides the row's, the last of them the run; its tensors are the sides. */
  readonly walk: Walk & { readonly piece: number };
  /** The run goes along the examples instead: an example has one row. */
  readonly alongExamples: boolean;
}

/** Rows of a run that are one unit of work. */
const piece = 256;

interface Steps {
  readonly side: Omit<Side, "kind" | "laneStep">;
  /** By axis of the cells but the example axis. */
  readonly steps: readonly number[];
}

function stepsOf(type: TensorType, layout: Layout, { cells, axis }: RowsPlan): Steps {
  const at = place(type, layout);
  const own = [...(type.batched ? [at.exampleStride] : []), at.blockStride, ...at.strides];
  const lead = cells.shape.length - type.shape.length;
  const step = (i: number): number => (i < lead || type.shape[i - lead] === 1 ? 0 : own[i - lead]);
  const ofRow = isOfRows(type, cells, axis);
  const length = cells.shape[axis];
  const grouped = layout.block > 1 && !ofRow;
  return {
    side: {
      origin: at.origin,
      exampleStep: type.batched ? at.exampleStride : 0,
      step: grouped ? 1 : step(axis),
      group: grouped ? layout.block : length,
      groupStep: grouped ? at.blockStride : 0,
      integer: type.dtype !== "f32",
      ofRow,
    },
    steps: cells.shape.map((_, i) => step(i)),
  };
}

/** Works out runs of rows over tensors of these types and layouts. */
export function walkRows(plan: RowsPlan, types: readonly TensorType[], layouts: readonly Layout[]): RowWalk {
  const { cells, axis } = plan;
  const found = types.map((type, i) => stepsOf(type, layouts[i], plan));
  const axes = cells.shape.map((_, i) => i).filter((i) => i !== axis && !(cells.batched && i === 0));
  const long = axes.filter((i) => cells.shape[i] > 1);
  const last = long.at(-1);
  const alongExamples = last === undefined && cells.batched;
  const laneStep = ({ side, steps }: Steps): number => (alongExamples ? side.exampleStep : last === undefined ? 0 : steps[last]);
  const moves = found.map(({ steps }) => axes.map((i): Move => ({ extent: steps[i] === 0 ? 1 : cells.shape[i], step: steps[i] })));
  const joined = coalesce({ extents: axes.map((i) => cells.shape[i]), moves, runSteps: found.map(laneStep) });
  return {
    sides: found.map((own): Side => {
      const lanes = laneStep(own);
      return { ...own.side, laneStep: lanes, kind: lanes === 0 ? "splat" : lanes === 1 ? "vector" : "apart" };
    }),
    walk: cut(joined, piece),
    alongExamples,
  };
}

/** Units of an example: runs, or pieces of them. */
export const unitsOf = ({ walk }: RowWalk): number => size(walk.extents.slice(0, -1));
