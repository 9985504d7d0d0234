import { size } from "../../base/types.ts";
import type { FunctionBuilder } from "../../emit/wasm/function.ts";
import { type Algorithm, type Device, type Emission, type Expression, operand } from "../contract.ts";
import { printExpression } from "../expression/print.ts";
import { hoistConstants } from "../expression/print-wasm.ts";
import { rebuild } from "../expression/simplify.ts";
import { plainLayout } from "../layout.ts";
import { emitHeld, makeSource } from "../sources.ts";
import { countUp } from "../units.ts";
import { emitRun } from "../walk.ts";
import { bandwidth, instructionsIn, rate } from "./estimate.ts";
import { readBy, runCode } from "./run.ts";
import type { TableOperand, TablePlan } from "./table.ts";

/** Cells of one piece of a row, and of a chunk. */
const pieceCells = 8192;
const chunkCells = 16384;

/**
 * The rows of a table, one code for all shapes: a chunk is some pieces of rows, found in a table of (row, first cell, cells). A cell is read before
 * it is written, so a result may lie over an operand of its row.
 */
export const wasmTable: Algorithm<TablePlan> = {
  id: "wasm-table-pieces",
  operator: "table",
  layouts: (plan, fusion) =>
    fusion === null
      ? [
          {
            inputs: plan.rows.flatMap(() => plan.operands.map(() => plainLayout)),
            operands: [],
            outputs: plan.rows.flatMap(() => plan.expressions.map(() => 1)),
          },
        ]
      : [],
  refuses: () => null,
  estimate: estimateTable,
  emit: emitTable,
};

function estimateTable({ operands, expressions, rows }: TablePlan, _: unknown, __: unknown, device: Device): number {
  const cells = rows.reduce((sum, shape) => sum + size(shape), 0);
  const steps = expressions.reduce((sum, expression) => sum + instructionsIn(expression), 0);
  const bytes = 4 * cells * (expressions.length + operands.filter((kind) => kind === "whole").length);
  return Math.max((cells * steps) / (4 * (device.wide ? 2 * rate : rate)), bytes / bandwidth(bytes)) + 15 * rows.length + 200;
}

/** Where the pieces of each chunk begin in the list, one more than there are chunks; then the pieces. */
function piecesOf(rows: TablePlan["rows"]): { chunks: number; table: Int32Array } {
  const pieces: number[] = [];
  const starts = [0];
  let cells = 0;
  rows.forEach((shape, row) => {
    const all = size(shape);
    for (let start = 0; start < all; start += pieceCells) {
      const count = Math.min(pieceCells, all - start);
      if (cells > 0 && cells + count > chunkCells) {
        starts.push(pieces.length / 3);
        cells = 0;
      }
      pieces.push(row, start, count);
      cells += count;
    }
  });
  return { chunks: starts.length, table: Int32Array.from([...starts, pieces.length / 3, ...pieces]) };
}

/** What the code depends on: never the rows' number or shapes. */
interface TableCode {
  readonly kinds: readonly TableOperand[];
  readonly expressions: readonly Expression[];
  readonly fma: boolean;
}

function emitTable({ operands, expressions, rows }: TablePlan, _: unknown, __: unknown, device: Device): Emission {
  const read = readBy(expressions);
  const code: TableCode = {
    kinds: read.map((index) => operands[index]),
    expressions: expressions.map((expression) =>
      rebuild(expression, (part) => (part.kind === "operand" ? operand(read.indexOf(part.index)) : part)),
    ),
    fma: device.fma,
  };
  const key = [wasmTable.id, code.kinds.join(","), code.expressions.map(printExpression).join("; "), device.tier].join(" | ");
  const { chunks, table } = piecesOf(rows);
  return {
    temporaries: [],
    constants: [table, Int32Array.of(4 * (chunks + 1))],
    // a row is done by itself
    inPlace: (output, input) => Math.floor(output / expressions.length) === Math.floor(input / operands.length),
    steps: [
      {
        routine: { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitPieces(f, code)) },
        operands: [
          { of: "constant", index: 0, access: "read" },
          { of: "constant", index: 1, access: "read" },
          ...rows.flatMap((_shape, row) => [
            ...read.map((index) => ({ of: "input" as const, index: row * operands.length + index, access: "read" as const })),
            ...expressions.map((_formula, i) => ({ of: "output" as const, index: row * expressions.length + i, access: "write" as const })),
          ]),
        ],
        chunks: { each: chunks, group: 0 },
      },
    ],
  };
}

function emitPieces(f: FunctionBuilder, { kinds, expressions, fma }: TableCode): void {
  const [arguments_, chunk, end] = f.parameters;
  const constants = hoistConstants(f, expressions, fma);
  const reading = { origin: 0, exampleStep: 0, moves: [], runStep: 1, lanes: false, laneStep: 1, clean: true };
  const sources = [...kinds, ...expressions.map(() => "whole" as const)].map((kind) =>
    makeSource(f, { ...reading, integer: kind === "i32" }, 1, kind !== "whole"),
  );
  const body = runCode(f, { block: 1, expressions, fma }, sources, [], constants);
  const [table, pieces, piece, beyond, at, row, start, count] = f.locals("i32", 8);
  f.get(arguments_).memory("i32.load").set(table);
  f.get(table).get(arguments_).memory("i32.load", 4).memory("i32.load").op("i32.add").set(pieces);
  countUp(f, chunk, end, () => {
    f.get(table).get(chunk).i32(4).op("i32.mul", "i32.add").tee(at).memory("i32.load").set(piece);
    f.get(at).memory("i32.load", 4).set(beyond);
    countUp(f, piece, beyond, () => {
      f.get(pieces).get(piece).i32(12).op("i32.mul", "i32.add").set(at);
      f.get(arguments_)
        .get(at)
        .memory("i32.load")
        .i32(4 * sources.length)
        .op("i32.mul", "i32.add")
        .set(row);
      f.get(at).memory("i32.load", 4).i32(4).op("i32.mul").set(start);
      f.get(at).memory("i32.load", 8).set(count);
      sources.forEach(({ kind, pointer }, t) => {
        f.get(row).memory("i32.load", 8 + 4 * t);
        if (kind === "stream") f.get(start).op("i32.add");
        f.set(pointer);
      });
      emitHeld(f, sources, 1, 1);
      emitRun(f, count, body);
    });
  });
}
