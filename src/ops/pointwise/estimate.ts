import type { Device, Expression, LayoutChoice } from "../contract.ts";
import { expand, schedule } from "../expression/schedule.ts";
import { place } from "../layout.ts";
import { readingOf, resultAxes, resultReading } from "../reading.ts";
import { coalesce } from "../walk.ts";
import { type Formulas, readBy } from "./run.ts";

/** Vector instructions of the functions that take more than one. */
const instructions: Readonly<Record<string, number>> = { exp: 22, log: 50, floor: 10, divide: 4, sqrt: 5, min: 3, max: 3, select: 2 };
/** Instructions that a thread runs in a ns, 4 lanes each. */
export const rate = 8;
/** Bytes that a thread moves in a ns: 12 from memory, more where all fits into the caches of a core. */
export const bandwidth = (bytes: number): number => (bytes <= 2 ** 21 ? 40 : bytes <= 2 ** 23 ? 24 : 12);
const runNs = 6;

/** Vector instructions of a formula. */
export const instructionsIn = (expression: Expression): number =>
  schedule(expand(expression)).reduce((sum, step) => sum + (step.kind === "call" ? (instructions[step.name] ?? 1) : 1), 1);

const vectorNs = (expressions: readonly Expression[], device: Device): number =>
  expressions.reduce((sum, expression) => sum + instructionsIn(expression), 0) / (device.wide ? 2 * rate : rate);

/** Predicted ns of one cell of a run (with all channels of its block). */
export function cellTime({ expressions }: Formulas, block: number, device: Device): number {
  return (block / 4) * Math.max(vectorNs(expressions, device), (16 * (expressions.length + readBy(expressions).length)) / 24);
}

/** Predicted ns: the larger of arithmetic and memory traffic, and what it costs to begin each run of cells. */
export function estimatePointwise({ output, operands, expressions }: Formulas, choice: LayoutChoice, device: Device): number {
  const block = choice.outputs[0];
  const at = place(output, { block, halo: [], fill: 0 });
  const read = readBy(expressions);
  const words = read.reduce((sum, i) => sum + place(operands[i], choice.inputs[i]).words, expressions.length * at.words);
  const readings = read.map((i) => readingOf(operands[i], choice.inputs[i], output, block));
  const known = readings.filter((reading) => typeof reading !== "string");
  const walk = coalesce({
    extents: resultAxes(at),
    moves: [resultReading(output, at), ...known].map((reading) => reading.moves),
    runSteps: [block, ...known.map((reading) => reading.runStep)],
  });
  const run = walk.extents[walk.extents.length - 1];
  const runs = at.words / (run * block);
  // the last cells of a plain run are done one vector, then one or two cells at a time
  const vectors = block > 1 ? at.words / 4 : runs * (run / 4 + (run % 4 === 0 ? 0 : 1));
  return Math.max(vectors * vectorNs(expressions, device), (4 * words) / bandwidth(4 * words)) + runs * runNs + 200;
}
