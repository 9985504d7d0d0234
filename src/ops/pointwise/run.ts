import { invariant } from "../../base/errors.ts";
import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { type Buffers, type Device, type Expression, operand, type Routine } from "../contract.ts";
import { type Constants, emitExpressions, hoistConstants, zeroAtZero } from "../expression/print-wasm.ts";
import { operandsOf, rebuild } from "../expression/simplify.ts";
import { place } from "../layout.ts";
import { type Reading, readingOf, resultAxes, resultReading } from "../reading.ts";
import { emitBase, emitHeld, makeSource, pushSource, type Source } from "../sources.ts";
import { emitSpareMask } from "../spare.ts";
import { countUp, type Division, divide, emitGroup, emitUnits, setMinimum } from "../units.ts";
import { coalesce, cut, emitLength, emitPointers, emitRun, type Run, type Walk } from "../walk.ts";

/** Cells of a run that are one unit of work. */
const piece = 4096;

/** Formulas over the same cells, a result for each. */
export interface Formulas {
  readonly operands: readonly TensorType[];
  readonly expressions: readonly Expression[];
  readonly output: TensorType;
}

/** Formulas as runs of cells over the tensors: the operands that are read, then the results. */
export interface PointwiseRun {
  /** Operands that the formulas read, in the order of the routine's arguments. */
  readonly read: readonly number[];
  readonly expressions: readonly Expression[];
  readonly readings: readonly Reading[];
  readonly walk: Walk & { readonly piece: number };
  readonly block: number;
  readonly blocks: number;
  readonly channels: number;
  /** Spare lanes have to be cleared. */
  readonly masked: boolean;
  /** Examples go straight on in every tensor, so a chunk of them is one run. */
  readonly flat: boolean;
  readonly division: Division;
  readonly fma: boolean;
}

/** Operands that any of the formulas reads, in ascending order. */
export const readBy = (expressions: readonly Expression[]): number[] => [...new Set(expressions.flatMap(operandsOf))].sort((a, b) => a - b);

/** Joins axes and deals the work into chunks. `unitNs` is the time of a cell, ns. */
export function prepareRun({ operands, output, expressions }: Formulas, buffers: Buffers, device: Device, cellNs: number): PointwiseRun {
  const read = readBy(expressions);
  const [layout] = buffers.outputs;
  const at = place(output, layout);
  const found = read.map((i) => readingOf(operands[i], buffers.inputs[i], output, layout.block));
  const known = found.filter((reading) => typeof reading !== "string");
  invariant(known.length === read.length, () => `pointwise: ${found.join(" ")}`);
  const readings = [...known, ...buffers.outputs.map((own) => resultReading(output, place(output, own)))];
  const formulas = expressions.map((expression) =>
    rebuild(expression, (part) => (part.kind === "operand" ? operand(read.indexOf(part.index)) : part)),
  );
  const free = read.map((_, i) => i).filter((i) => !readings[i].clean);
  const masked = layout.block > 1 && at.channels % layout.block !== 0 && !formulas.every((formula) => zeroAtZero(formula, free));
  const joined = coalesce(
    { extents: resultAxes(at), moves: readings.map((reading) => reading.moves), runSteps: readings.map((reading) => reading.runStep) },
    masked ? [0] : [],
  );
  const [cells] = joined.extents;
  const goesOn = ({ exampleStep }: Reading, t: number): boolean =>
    exampleStep === (joined.moves[t][0].extent === 1 && t < read.length ? 0 : joined.runSteps[t] * cells);
  const flat = output.batched && joined.extents.length === 1 && cells * cellNs < 20_000 && readings.every(goesOn);
  const walk = flat ? { ...joined, piece: cells } : cut(joined, piece);
  const division = divide(output.batched, size(walk.extents.slice(0, -1)), 6 + walk.piece * cellNs, flat);
  return {
    read,
    expressions: formulas,
    readings,
    walk,
    block: at.block,
    blocks: at.blocks,
    channels: at.channels,
    masked,
    flat,
    division,
    fma: device.fma,
  };
}

export function runRoutine(key: string, run: PointwiseRun): Routine {
  return { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitPointwiseRun(f, run)) };
}

function emitPointwiseRun(f: FunctionBuilder, run: PointwiseRun): void {
  const { walk, flat, readings, read } = run;
  const constants = hoistConstants(f, run.expressions, run.fma);
  const last = walk.extents.length - 1;
  const sources = readings.map((reading, t) => {
    const still = t < read.length && (flat ? reading.exampleStep === 0 : walk.moves[t][last].extent === 1);
    return makeSource(f, reading, run.block, still);
  });
  const spare = run.masked && run.blocks === 1 ? emitSpareMask(f, run.block, run.channels, null) : [];
  const body = (masks: readonly Local[]): Run => runCode(f, run, sources, masks, constants);
  if (flat) {
    emitFlat(f, run, sources, body(spare));
    return;
  }
  const outer = walk.extents.slice(0, -1);
  emitUnits(f, run.division, {
    example: (example) => {
      for (const [t, source] of sources.entries()) emitBase(f, source, t, example === null ? null : () => f.get(example));
    },
    unit: (unit) => {
      const coordinates = emitPointers(
        f,
        unit,
        outer,
        sources.map(({ base, pointer }, t) => ({ base, pointer, moves: walk.moves[t] })),
      );
      emitHeld(f, sources, run.block, run.channels);
      const masks = run.masked && run.blocks > 1 ? emitSpareMask(f, run.block, run.channels, coordinates[0]) : spare;
      emitSegments(f, run, sources, emitLength(f, walk, coordinates), body(masks));
    },
  });
}

/** All cells of a group of examples at once. */
function emitFlat(f: FunctionBuilder, run: PointwiseRun, sources: readonly Source[], body: Run): void {
  const [, chunk, end] = f.parameters;
  const [first, length] = f.locals("i32", 2);
  countUp(f, chunk, end, () => {
    const beyond = emitGroup(f, run.division.chunks.group, first);
    sources.forEach((source, t) => {
      emitBase(f, source, t, () => f.get(first));
      f.get(source.base).set(source.pointer);
    });
    emitHeld(f, sources, run.block, run.channels);
    f.get(beyond)
      .get(first)
      .op("i32.sub")
      .i32(run.walk.extents[0] * run.block)
      .op("i32.mul")
      .set(length);
    emitRun(f, length, body);
  });
}

/** A run of so many cells; cut where an operand that repeats along it begins anew. */
function emitSegments(
  f: FunctionBuilder,
  { walk, block }: PointwiseRun,
  sources: readonly Source[],
  length: number | Local,
  body: Run,
): void {
  const last = walk.extents.length - 1;
  const repeating = sources.flatMap((source, t) => {
    const { extent, step } = walk.moves[t][last];
    return extent > 1 && extent < walk.extents[last] ? [{ pointer: source.pointer, start: f.local("i32"), extent, step }] : [];
  });
  if (repeating.length === 0) {
    if (typeof length !== "number" && block > 1) f.get(length).i32(block).op("i32.mul").set(length);
    emitRun(f, typeof length === "number" ? length * block : length, body);
    return;
  }
  const [at, count, phase] = f.locals("i32", 3);
  for (const { pointer, start } of repeating) f.get(pointer).set(start);
  f.i32(0).set(at);
  f.loop((again) => {
    f.i32(walk.extents[last]).get(at).op("i32.sub").set(count);
    for (const { pointer, start, extent, step } of repeating) {
      f.get(at).i32(extent).op("i32.rem_u").set(phase);
      f.get(start)
        .get(phase)
        .i32(4 * step)
        .op("i32.mul", "i32.add")
        .set(pointer);
      setMinimum(
        f,
        count,
        () => f.get(count),
        () => f.i32(extent).get(phase).op("i32.sub"),
      );
    }
    f.get(at).get(count).op("i32.add").set(at);
    if (block > 1) f.get(count).i32(block).op("i32.mul").set(count);
    emitRun(f, count, body);
    f.get(at).i32(walk.extents[last]).op("i32.lt_u").branchIf(again);
  });
}

/** What the code of a run of cells depends on. */
type RunCode = Pick<PointwiseRun, "block" | "expressions" | "fma">;

/** The formulas on vectors at the pointers; a run counts words, so a cell of a blocked result is `block` of them. */
export function runCode(
  f: FunctionBuilder,
  { block, expressions, fma }: RunCode,
  sources: readonly Source[],
  masks: readonly Local[],
  constants: Constants,
): Run {
  const parts = block / 4;
  const targets = sources.slice(sources.length - expressions.length);
  const scratch: Local[] = [];
  const results = Array.from({ length: 4 }, () => f.locals("v128", expressions.length));
  const formulas = (index: number): void => {
    const vector = (i: number): void =>
      pushSource(f, sources[i], block === 1 ? 4 * index : Math.floor(index / parts), block === 1 ? 0 : index % parts);
    emitExpressions(f, expressions, { vector, fma, constants, scratch }, results[index]);
    if (masks.length > 0)
      for (const result of results[index])
        f.get(result)
          .get(masks[index % parts])
          .op("v128.and")
          .set(result);
  };
  return {
    pointers: sources.flatMap(({ kind, pointer, reading }) =>
      kind === "stream"
        ? [{ local: pointer, bytes: 4 }]
        : kind === "cell"
          ? [{ local: pointer, bytes: (4 * reading.runStep) / block }]
          : [],
    ),
    // everything is read before anything is written: a result may lie over an operand
    vectors: (count) => {
      for (let index = 0; index < count; index++) formulas(index);
      targets.forEach(({ pointer }, target) => {
        for (let index = 0; index < count; index++)
          f.get(pointer)
            .get(results[index][target])
            .memory("v128.store", 16 * index);
      });
    },
    rest: (cells) => {
      formulas(0);
      targets.forEach(({ pointer }, target) => {
        f.get(pointer)
          .get(results[0][target])
          .laneMemory(cells === 2 ? "v128.store64_lane" : "v128.store32_lane", 0);
      });
    },
  };
}
