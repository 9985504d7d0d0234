import { size } from "../../../base/types.ts";
import type { Algorithm, Buffers, Device, Emission, OperandRef } from "../../contract.ts";
import { type Placement, place, plainLayout } from "../../layout.ts";
import { roundUp } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { buildLanes, type LaneCode, type Role } from "./lane-chunks.ts";
import { type LaneTile, passesOf } from "./lanes.ts";
import { cellTable, inputLayout, lanesOf, patchTable, placesOf, planeFloats, runOf, unfit } from "./problem.ts";
import { spreadStep } from "./spread.ts";

/** Examples from which on they are the lanes: fewer would leave most of a vector empty. */
const leastExamples = 4;
/** Taps whose code is written out. */
const mostTaps = 64;
/** Sums of a tile: as many as hide the latency of a multiply-add. */
const tileSums = 8;
/** Bytes of a chunk's sums, which stay in the first cache. */
const sumBytes = 16384;

function unfitLanes(plan: GridLinearPlan, role: Role, device: Device): string | null {
  if (plan.role !== role) return `computes role ${role} only.`;
  const { examples, axes } = plan;
  if (examples < leastExamples) return `${examples} examples leave vectors of examples empty (below ${leastExamples}).`;
  if (axes.some(({ period, output }) => period !== output)) return "some cells share a copy of the kernel, or have none.";
  const taps = size(axes.map(({ kernel }) => kernel));
  if (taps > mostTaps) return `${taps} taps are too many to write out (above ${mostTaps}).`;
  return unfit(plan, device);
}

const lanes = (role: Role): Algorithm<GridLinearPlan> => ({
  id: `wasm-grid-linear-${role}-local-batch`,
  operator: "grid-linear",
  layouts: (plan, fusion, device) =>
    fusion === null && unfitLanes(plan, role, device) === null
      ? [{ inputs: [plainLayout, role === "forward" ? inputLayout(plan) : plainLayout], operands: [], outputs: [1] }]
      : [],
  refuses: (plan, _, fusion, device) =>
    fusion === null ? unfitLanes(plan, role, device) : "a formula over the result is a step of its own.",
  estimate: (plan, _, __, device) => lanesTime(plan, device),
  emit: (plan, buffers, _, device) => emitLanes(plan, role, buffers, device),
});

/** Predicted time of one thread, ns. */
function lanesTime(plan: GridLinearPlan, device: Device): number {
  const types = typesOf(plan);
  const kernel = size(types.kernel.shape);
  const { vectors, passes } = passesOf(plan.examples, device);
  const scattered = plan.role === "input" ? 1.35 : 1;
  const perFloat = passes * scattered * (0.31 + 0.14 * (vectors - 1)) * (device.fma ? 1 : 1.3);
  const cells = size(types.input.shape) + size(types.output.shape);
  return 5000 + kernel * perFloat + cells * 0.5;
}

/** The same cells with so many examples side by side. */
const widened = (at: Placement, side: number): Placement => ({
  ...at,
  strides: at.strides.map((stride) => stride * side),
  origin: at.origin * side,
});

/** The numbers of the main step, and where what it works on lies. */
function codeOf(plan: GridLinearPlan, role: Role, at: Record<"input" | "output", Placement>, around: Placement, device: Device): LaneCode {
  const { groups } = plan;
  const forward = role === "forward";
  const { vectors, passes, side } = passesOf(plan.examples, device);
  const copies = size(plan.axes.map(({ period }) => period));
  const taps = planeFloats(plan) / copies;
  const [from, to] = [plan.channelsIn / groups, plan.channelsOut / groups];
  const result = forward ? at.output : at.input;
  const tile: LaneTile = {
    rows: Math.min(tileSums / vectors, to),
    vectors,
    lanes: lanesOf(device),
    fma: device.fma,
    taps,
    run: runOf(plan),
    cell: 4 * side,
    rowPlane: 4 * planeFloats(plan) * from,
  };
  const sums = tile.rows * 4 * side;
  const strips = forward ? Math.min(copies, Math.ceil((copies * sums) / sumBytes)) : 1;
  const spreadCells = forward ? around.blockStride : copies;
  return {
    role,
    copies,
    strips,
    groups,
    rows: to,
    columns: from,
    columnPlane: 4 * planeFloats(plan),
    kernelGroup: 4 * planeFloats(plan) * from * to,
    passes,
    tile,
    plane: 4 * spreadCells * side,
    scratch: roundUp(forward ? Math.ceil(copies / strips) * sums : 4 * around.blockStride * side, 64),
    cells: forward ? copies : size(at.input.extents),
    example: 4 * result.exampleStride,
    resultPlane: 4 * result.blockStride,
  };
}

function emitLanes(plan: GridLinearPlan, role: Role, buffers: Buffers, device: Device): Emission {
  const forward = role === "forward";
  const at = placesOf(plan, [...buffers.inputs, ...buffers.outputs]);
  const [source, result] = forward ? [at.input, at.output] : [at.output, at.input];
  // cells of V with all around that taps meet, without what other consumers want
  const around = forward ? at.input : place(typesOf(plan).input, inputLayout(plan));
  const code = codeOf(plan, role, at, around, device);
  const { tile, groups, rows, columns } = code;
  const side = tile.cell / 4;
  const spreadCells = code.plane / tile.cell;
  const every = Int32Array.from({ length: spreadCells }, (_, cell) => 4 * cell);
  const constant = (index: number): OperandRef => ({ of: "constant", index, access: "read" });
  const spread: OperandRef = { of: "temporary", index: 0, access: "read" };
  const chunks = forward ? groups * Math.ceil(rows / tile.rows) * code.strips : groups * columns;
  return {
    temporaries: [source.channels * code.plane, chunks * code.scratch],
    constants: [
      forward ? every : cellTable(plan, source, 0),
      patchTable(plan, widened(around, side)),
      pairsOf(plan, role, around, result, tile.rows * tile.cell, side),
    ],
    steps: [
      spreadStep(source, spreadCells, side, {
        source: { of: "input", index: 1, access: "read" },
        target: { ...spread, access: "write" },
        table: constant(0),
      }),
      {
        routine: { key: `grid-linear local lanes | ${JSON.stringify(code)} | ${device.tier}`, build: (module) => buildLanes(module, code) },
        operands: [
          spread,
          { of: "input", index: 0, access: "read" },
          { of: "output", index: 0, access: "write" },
          { of: "temporary", index: 1, access: "update" },
          constant(1),
          constant(2),
        ],
        chunks: { each: chunks, group: 0 },
      },
    ],
  };
}

/** Pairs of byte offsets: a cell of the scratch, and the cell of the result that it goes to. */
function pairsOf(plan: GridLinearPlan, role: Role, around: Placement, result: Placement, sums: number, side: number): Int32Array {
  if (role === "forward")
    return cellTable(plan, result, 0).reduce(
      (words, to, copy) => words.fill(copy * sums, 2 * copy, 2 * copy + 1).fill(to, 2 * copy + 1, 2 * copy + 2),
      new Int32Array(2 * size(result.extents)),
    );
  const words: number[] = [];
  const walk = (axis: number, from: number, to: number): void => {
    if (axis === result.extents.length) words.push(4 * from * side, 4 * to);
    else for (let i = 0; i < result.extents[axis]; i++) walk(axis + 1, from + i * around.strides[axis], to + i * result.strides[axis]);
  };
  walk(0, around.origin, result.origin);
  return Int32Array.from(words);
}

/**
 * Locally connected layers of a batch: Z[co, o] = sum over ci, tap of K[co, ci, o, tap] V[ci, o s + tap d - low], lanes being examples, each
 * float of K a splat. Source: Goodfellow et al. 2016, eq. 9.9.
 */
export const forwardLocalBatch: Algorithm<GridLinearPlan> = lanes("forward");

/** Input gradient of locally connected layers of a batch: V[ci, i] = sum over co, tap of K[co, ci, o, tap] G[co, o] with i = o s + tap d - low. */
export const inputLocalBatch: Algorithm<GridLinearPlan> = lanes("input");
