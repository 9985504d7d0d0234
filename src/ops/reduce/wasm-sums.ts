import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Algorithm, Buffers, Device, Emission, LayoutChoice } from "../contract.ts";
import { type Expression, operand } from "../contract.ts";
import { emitExpression, hoistConstants, zeroAtZero } from "../expression/print-wasm.ts";
import { operandsOf, rebuild } from "../expression/simplify.ts";
import { channelAxis, place, plainLayout, preferredBlock } from "../layout.ts";
import { operandLayout, type Reading, readingOf } from "../reading.ts";
import { setMinimum } from "../units.ts";
import { type FoldKernel, sumsKernel, type TermPlace } from "./fold-code.ts";
import { type FoldStream, refuseBlocks, walkFold } from "./fold-walk.ts";
import { type SumsPlan, sumsOperator } from "./sums.ts";
import { emitSums, foldKey } from "./wasm-reduce.ts";

/** Words of the summed cells in a chunk: 0.5 MiB for each operand. */
const most = 131072;

/**
 * Sums of formulas on plain and on channel-blocked layouts, all in one pass over the operands; portions, slots and the order of the
 * additions are those of `wasm-reduce-slots`.
 */
export const wasmSums: Algorithm<SumsPlan> = {
  id: "wasm-sums-slots",
  operator: "sums",
  layouts: (plan, fusion, device) => (fusion === null ? layoutsOf(plan, device) : []),
  refuses: (plan, choice) => {
    const [to] = choice.outputs;
    const block = blockOf(plan, choice);
    const problem =
      refuseBlocks(plan.input, plan.output, block, to) ??
      readingsOf(plan, choice.inputs, block).find((reading) => typeof reading === "string");
    if (typeof problem === "string") return problem;
    return to > 1 && plan.output.shape[channelAxis(plan.output)] % to !== 0 && !spareStaysZero(plan, choice, block)
      ? "spare lanes of the sums would not be 0."
      : null;
  },
  estimate: ({ input, operands, expressions }, choice) => {
    const read = readOf(expressions);
    const bytes = 4 * read.reduce((sum, i) => sum + place(operands[i], choice.inputs[i]).words, 0);
    return bytes / (bytes > 2 ** 21 ? 28 : 50) + (expressions.length * place(input, plainLayout).words) / 16 + 1500;
  },
  emit: emitSumsOf,
};

/** Operands that some formula reads. */
const readOf = (expressions: readonly Expression[]): number[] => [...new Set(expressions.flatMap(operandsOf))].sort((a, b) => a - b);

/** Block in which the summed cells are walked: that of the operands that have it. */
const blockOf = ({ expressions }: SumsPlan, { inputs }: Pick<LayoutChoice, "inputs">): number =>
  readOf(expressions).reduce((most, i) => Math.max(most, inputs[i].block), 1);

const readingsOf = ({ operands, expressions, input }: SumsPlan, layouts: LayoutChoice["inputs"], block: number): (Reading | string)[] =>
  readOf(expressions).map((i) => readingOf(operands[i], layouts[i], input, block));

function spareStaysZero(plan: SumsPlan, { inputs }: LayoutChoice, block: number): boolean {
  const read = readOf(plan.expressions);
  const free = readingsOf(plan, inputs, block).flatMap((reading, t) => (typeof reading !== "string" && reading.clean ? [] : [read[t]]));
  return plan.expressions.every((expression) => zeroAtZero(expression, free));
}

function layoutsOf({ operands, expressions, input, output }: SumsPlan, device: Device): LayoutChoice[] {
  const read = new Set(readOf(expressions));
  const preferred = preferredBlock(input.shape[1] ?? 1, device.wide);
  const results = (block: number): number[] => expressions.map(() => block);
  const choices = (input.batched && input.shape.length >= 2 ? [preferred, 24 - preferred] : []).flatMap((block) => {
    const inputs = operands.map((type, i) => (read.has(i) ? operandLayout(type, input, block) : plainLayout));
    const whole = operands.some((_, i) => inputs[i]?.block === block);
    if (!whole || inputs.some((layout) => layout === null)) return [];
    const known = inputs.filter((layout) => layout !== null);
    return [1, block].flatMap((to) =>
      refuseBlocks(input, output, block, to) === null ? [{ inputs: known, operands: [], outputs: results(to) }] : [],
    );
  });
  return [...choices, { inputs: operands.map(() => plainLayout), operands: [], outputs: results(1) }];
}

/** Steps of a reading along block axis, axes behind it and lanes. */
const streamFrom = ({ origin, exampleStep, moves, lanes, laneStep }: Reading, block: number): FoldStream => ({
  origin,
  exampleStep,
  steps: [...moves.map(({ extent, step }) => (extent === 1 ? 0 : step)), block > 1 && lanes ? laneStep : 0],
});

function emitSumsOf(plan: SumsPlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const { input, output, expressions } = plan;
  const read = readOf(expressions);
  const block = blockOf(plan, buffers);
  const readings = readingsOf(plan, buffers.inputs, block).filter((reading) => typeof reading !== "string");
  const streams = readings.map((reading) => streamFrom(reading, block));
  const walk = walkFold(input, block, streams, output, most);
  const formulas = expressions.map((expression) =>
    rebuild(expression, (part) => (part.kind === "operand" ? operand(read.indexOf(part.index)) : part)),
  );
  const words = read.map((i) => place(plan.operands[i], buffers.inputs[i]).words);
  const bounded = readings.some(({ laneStep, clean }) => laneStep !== 1 && !clean);
  const key = `${foldKey(wasmSums.id, sumsOperator.line(plan), input, buffers, walk, device)}${bounded ? ` | ${words.join(" ")}` : ""}`;
  const kernel = (f: FunctionBuilder): FoldKernel => formulaKernel(f, { formulas, readings, words, cells: walk.cells }, device);
  const examples = input.batched ? input.shape[0] : 1;
  return emitSums({ key, walk, sums: expressions.length, output, examples, read, kernel }, buffers, device);
}

interface Formulas {
  readonly formulas: readonly Expression[];
  readonly readings: readonly Reading[];
  /** Words of each operand's buffer. */
  readonly words: readonly number[];
  readonly cells: number;
}

function formulaKernel(f: FunctionBuilder, { formulas, readings, words, cells }: Formulas, device: Device): FoldKernel {
  const constants = new Map(formulas.flatMap((formula) => [...hoistConstants(f, formula, device.fma)]));
  const scratch: Local[] = [];
  const address = f.local("i32");
  // channels that lie apart are read one by one, spare lanes among them: never behind the buffer's end
  const ends = readings.map(({ laneStep, clean }, t) => {
    if (laneStep === 1 || clean) return null;
    const end = f.local("i32");
    f.get(f.parameters[0])
      .memory("i32.load", 4 * t)
      .i32(4 * (words[t] - 1))
      .op("i32.add")
      .set(end);
    return end;
  });
  const push = (t: number, { from, offset }: TermPlace, moves: readonly number[]): void => {
    const end = ends[t];
    if (end === null) f.get(from[t]).memory(moves[t] > 0 ? "v128.load" : "v128.load32_splat", offset[t]);
    else {
      setMinimum(
        f,
        address,
        () => f.get(from[t]).i32(offset[t]).op("i32.add"),
        () => f.get(end),
      );
      f.get(address).memory("v128.load32_splat");
    }
    if (readings[t].integer) f.op("f32x4.convert_i32x4_s");
  };
  return sumsKernel(f, formulas.length, 4 * cells, (sum, place, moves) =>
    emitExpression(f, formulas[sum], { vector: (t) => push(t, place, moves), fma: device.fma, constants, scratch }),
  );
}
