import type { TensorType } from "../../base/types.ts";
import type { Algorithm, Buffers, Device, Emission, LayoutChoice } from "../contract.ts";
import { operandsOf } from "../expression/simplify.ts";
import { blockedLayout, place, plainLayout, preferredBlock, printLayout } from "../layout.ts";
import { bandwidth, instructionsIn, rate } from "../pointwise/estimate.ts";
import { divide } from "../units.ts";
import { emitRows, type RowsCode, scratchBytes } from "./code.ts";
import { positionsOf } from "./lanes.ts";
import { type Passes, passesOf } from "./passes.ts";
import { printRows, type RowsPlan, rowType } from "./plan.ts";
import { unitsOf, walkRows } from "./sides.ts";

/**
 * Rows four at a time, one to a lane, so that folds need no sums across lanes. Where the cells of a row lie beside one another (behind no other
 * axis, or as channels of a block) four rows are transposed into scratch first. What several passes need and takes long is kept there too.
 */
export const wasmRows: Algorithm<RowsPlan> = {
  id: "wasm-rows-lanes",
  operator: "rows",
  layouts: (plan, fusion, device) => (fusion === null ? layoutsOf(plan, device) : []),
  refuses: () => null,
  estimate: estimateRows,
  emit: emitRowsOf,
};

/** Plain, and blocks of channels for what has all cells, where rows lie along the channels. */
function layoutsOf({ operands, results, cells, axis }: RowsPlan, device: Device): LayoutChoice[] {
  const preferred = preferredBlock(cells.shape[1] ?? 1, device.wide);
  const blocks = cells.batched && axis === 1 && cells.shape[1] > 1 ? [preferred, 24 - preferred] : [];
  return [...blocks, 1].map((block) => ({
    inputs: operands.map((type) => (block > 1 && isWhole(type, cells) ? blockedLayout(block) : plainLayout)),
    operands: [],
    outputs: results.map(({ of }) => (of === "cells" ? block : 1)),
  }));
}

const isWhole = (type: TensorType, cells: TensorType): boolean =>
  type.shape.length === cells.shape.length && type.shape.every((extent, axis) => extent === cells.shape[axis]);

const readOf = ({ operands, folds, results }: RowsPlan): number[] =>
  [...new Set([...folds, ...results].flatMap(({ formula }) => operandsOf(formula)))]
    .filter((index) => index < operands.length)
    .sort((a, b) => a - b);

/** Time of a row by arithmetic, ns: a cell of every formula for each position. */
function rowTime(plan: RowsPlan, passes: Passes, apart: number, device: Device): number {
  const made = passes.passes.flatMap(({ made: list, kept }) => [...list.map(({ formula }) => formula), ...kept.slice(1)]);
  const steps = made.reduce((sum, formula) => sum + instructionsIn(formula) + 2, 0) + 3 * apart;
  const perRow = [...passes.passes.flatMap(({ held }) => held), ...passes.rows.map(({ formula }) => formula)];
  const once = perRow.reduce((sum, formula) => sum + instructionsIn(formula) + 2, 10);
  const own = apart === 0 && device.wide ? 2 * rate : rate;
  return (steps * plan.cells.shape[plan.axis] + once) / (4 * own);
}

function estimateRows(plan: RowsPlan, choice: LayoutChoice, _: unknown, device: Device): number {
  const read = readOf(plan);
  const outputs = plan.results.map(({ of }, i) => ({ type: of === "cells" ? plan.cells : rowType(plan), block: choice.outputs[i] }));
  const layouts = [...read.map((i) => choice.inputs[i]), ...outputs.map(({ block }) => blockedLayout(block))];
  const types = [...read.map((i) => plan.operands[i]), ...outputs.map(({ type }) => type)];
  const { sides } = walkRows(plan, types, layouts);
  const apart = sides.filter(({ kind, ofRow }) => kind === "apart" && !ofRow).length;
  const bytes = types.reduce((sum, type, i) => sum + 4 * place(type, layouts[i]).words, 0);
  const rows = rowType(plan).shape.reduce((product, extent) => product * extent, 1);
  return Math.max(rows * rowTime(plan, passesOf(plan), apart, device), bytes / bandwidth(bytes)) + 300;
}

function emitRowsOf(plan: RowsPlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const { operands, results, cells, axis, folds } = plan;
  const read = readOf(plan);
  const types = [...read.map((i) => operands[i]), ...results.map(({ of }) => (of === "cells" ? cells : rowType(plan)))];
  const rows = walkRows(plan, types, [...read.map((i) => buffers.inputs[i]), ...buffers.outputs]);
  const passes = passesOf(plan);
  const length = cells.shape[axis];
  const slots = new Map<number, number>();
  rows.sides.forEach(({ kind, ofRow }, side) => {
    if (kind === "apart" && (!ofRow || results[side - read.length]?.of === "cells")) slots.set(side, slots.size);
  });
  const isApart = rows.sides.some(({ kind }) => kind === "apart");
  const width = isApart ? 1 : 4;
  const positions = [...slots.keys()].reduce((most, side) => Math.max(most, positionsOf(rows.sides[side], length)), length);
  const time = rowTime(plan, passes, slots.size, device);
  const division = rows.alongExamples ? divide(true, 1, time, true) : divide(cells.batched, unitsOf(rows), 6 + rows.walk.piece * time);
  const code: RowsCode = {
    rows,
    passes,
    operations: folds.map(({ operation }) => operation),
    sideOfOperand: new Map(read.map((index, side) => [index, side])),
    sideOfResult: results.map((_, index) => read.length + index),
    length,
    width,
    slots,
    firstKept: slots.size,
    slotCount: slots.size + passes.kept,
    positions,
    division,
    fma: device.fma,
  };
  const bytes = scratchBytes(code);
  const { each, group } = division.chunks;
  const chunks = group === 0 ? each : each * Math.ceil(cells.shape[0] / group);
  const any = (type: TensorType): TensorType => (type.batched ? { ...type, shape: type.shape.with(0, 1) } : type);
  const key = [
    wasmRows.id,
    printRows({ ...plan, operands: operands.map(any) }),
    ...[...buffers.inputs, ...buffers.outputs].map(printLayout),
    device.tier,
  ].join(" | ");
  return {
    temporaries: bytes === 0 ? [] : [bytes * chunks],
    constants: [],
    inPlace: true,
    steps: [
      {
        routine: { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitRows(f, code)) },
        operands: [
          ...read.map((index) => ({ of: "input" as const, index, access: "read" as const })),
          ...results.map((_, index) => ({ of: "output" as const, index, access: "write" as const })),
          ...(bytes === 0 ? [] : [{ of: "temporary" as const, index: 0, access: "write" as const }]),
        ],
        chunks: division.chunks,
      },
    ],
  };
}
