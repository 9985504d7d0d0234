import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Chunks } from "../contract.ts";
import { addScaled, countUp, emitGroup, setMinimum } from "../units.ts";
import { emitBox, type FoldKernel, type LoopAxis } from "./fold-code.ts";
import type { FoldBox, FoldWalk } from "./fold-walk.ts";

/** What one chunk folds: where its inputs begin, where its own cells of the slot are, how much there is. */
export interface Portion {
  readonly inputs: readonly Local[];
  /** First own cell of the slot's first array. */
  readonly slot: Local;
  /** Own cells. */
  readonly words: number | Local;
  /** Examples folded together, and positions of the axis that is dealt out. */
  readonly examples: Local | null;
  readonly positions: Local | null;
}

/** Chunks of the folding step. */
export const foldChunks = ({ examples, group, part }: FoldWalk): Chunks => ({ each: part.count, group: examples === "none" ? 0 : group });

/** Slots that lie in memory, for all examples. */
export const slotCount = (walk: FoldWalk, examples: number): number => walk.slots * (walk.examples === "kept" ? examples : 1);

/** Where a chunk is. */
interface Place {
  readonly part: Local;
  readonly group: Local;
  /** First example of the chunk. */
  readonly first: Local;
  /** First position of the axis that is dealt out, and their number; null when none is. */
  readonly start: Local | null;
  readonly positions: Local | null;
}

/** Walks the chunks of a routine whose operands are the inputs and the slots, `arrays` arrays of cells in each slot. */
export function emitPortions(f: FunctionBuilder, walk: FoldWalk, arrays: number, body: (portion: Portion) => void): void {
  const [, chunk, end] = f.parameters;
  const { part, examples: mode } = walk;
  const [slot, partIndex, group, first] = f.locals("i32", 4);
  const inputs = f.locals("i32", walk.streams.length);
  const dealt = part.count > 1;
  const at: Place = { part: partIndex, group, first, start: dealt ? f.local("i32") : null, positions: dealt ? f.local("i32") : null };
  const words = dealt && !part.folded ? f.local("i32") : walk.cells;
  const count = mode === "folded" ? f.local("i32") : null;
  countUp(f, chunk, end, () => {
    const beyond = emitPlace(f, walk, at);
    if (typeof words !== "number" && at.positions !== null)
      f.get(at.positions).i32(walk.boxes[0].axes[part.axis].out).op("i32.mul").set(words);
    const portion = { inputs, slot, words, positions: at.positions };
    if (mode === "kept") {
      countUp(f, first, beyond, () => {
        emitAddresses(f, walk, arrays, at, inputs, slot);
        body({ ...portion, examples: null });
      });
      return;
    }
    emitAddresses(f, walk, arrays, at, inputs, slot);
    if (count !== null) f.get(beyond).get(first).op("i32.sub").set(count);
    body({ ...portion, examples: count });
  });
}

/** Takes the number of a chunk apart; returns the example behind its last. */
function emitPlace(f: FunctionBuilder, { part, examples: mode, group }: FoldWalk, at: Place): Local {
  const [, chunk, , examples] = f.parameters;
  const beyond = f.local("i32");
  f.get(chunk).i32(part.count).op("i32.rem_u").set(at.part);
  f.get(chunk).i32(part.count).op("i32.div_u").set(at.group);
  if (mode !== "none") {
    f.get(at.group).i32(group).op("i32.mul").set(at.first);
    setMinimum(
      f,
      beyond,
      () => f.get(at.first).i32(group).op("i32.add"),
      () => f.get(examples),
    );
  }
  const { start, positions } = at;
  if (start !== null && positions !== null) {
    f.get(at.part).i32(part.size).op("i32.mul").set(start);
    setMinimum(
      f,
      positions,
      () => f.i32(part.size),
      () => f.i32(part.extent).get(start).op("i32.sub"),
    );
  }
  return beyond;
}

/** Sets where the input and the own cells of the slot begin. */
function emitAddresses(f: FunctionBuilder, walk: FoldWalk, arrays: number, at: Place, inputs: readonly Local[], slot: Local): void {
  const [table] = f.parameters;
  const { part, examples: mode } = walk;
  const axis = walk.boxes[0].axes[part.axis];
  walk.streams.forEach(({ origin, exampleStep }, t) => {
    f.get(table)
      .memory("i32.load", 4 * t)
      .i32(4 * origin)
      .op("i32.add");
    if (mode !== "none" && exampleStep > 0) addScaled(f, at.first, 4 * exampleStep);
    if (at.start !== null && axis.in[t] > 0) addScaled(f, at.start, 4 * axis.in[t]);
    f.set(inputs[t]);
  });
  const slotBytes = 4 * walk.cells * arrays;
  f.get(table).memory("i32.load", 4 * walk.streams.length);
  if (mode !== "none") addScaled(f, mode === "kept" ? at.first : at.group, slotBytes * (part.folded ? part.count : 1));
  if (part.folded) addScaled(f, at.part, slotBytes);
  else if (at.start !== null) addScaled(f, at.start, 4 * axis.out);
  f.set(slot);
}

/** Runs a kernel over all cells of a portion; `slot` is the array that it writes to. */
export function emitFoldBoxes(f: FunctionBuilder, walk: FoldWalk, portion: Portion, kernel: FoldKernel): void {
  const from = f.locals("i32", portion.inputs.length);
  for (const box of walk.boxes) {
    portion.inputs.forEach((input, t) => {
      f.get(input)
        .i32(4 * box.start[t])
        .op("i32.add")
        .set(from[t]);
    });
    emitBox(f, loopAxes(f, walk, box, portion), from, portion.slot, kernel);
  }
}

function loopAxes(f: FunctionBuilder, walk: FoldWalk, box: FoldBox, { examples, positions }: Portion): LoopAxis[] {
  const axes: LoopAxis[] = box.axes.map((axis, i) => (positions !== null && i === walk.part.axis ? { ...axis, extent: positions } : axis));
  if (examples === null) return axes;
  const [only] = box.axes;
  const steps = walk.streams.map(({ exampleStep }) => exampleStep);
  const goesOn = only.in.every((step, t) => steps[t] === step * only.extent);
  if (box.axes.length === 1 && only.out === 0 && positions === null && goesOn) {
    const all = f.local("i32");
    f.get(examples).i32(only.extent).op("i32.mul").set(all);
    return [{ extent: all, in: only.in, out: 0 }];
  }
  return [{ extent: examples, in: steps, out: 0 }, ...axes];
}

/** Cells of a result that are one chunk of the step that adds the slots. */
export const mergePiece = 2048;

export const mergeChunks = ({ examples }: FoldWalk, words: number): Chunks =>
  examples === "kept" ? { each: 1, group: Math.max(1, Math.floor(16384 / words)) } : { each: Math.ceil(words / mergePiece), group: 0 };

/** What one chunk of that step makes: cells of one result, from as many slots as the run has. */
export interface Merge {
  /** First own cell of the first slot. */
  readonly slots: Local;
  /** Words from the first cell of the result buffers to the first own one. */
  readonly start: Local;
  readonly words: number | Local;
  readonly count: number | Local;
}

/** Walks the results of `words` cells; operand 0 of the routine are the slots. */
export function emitMerges(f: FunctionBuilder, walk: FoldWalk, arrays: number, words: number, body: (merge: Merge) => void): void {
  const [table, chunk, end, examples] = f.parameters;
  const [slots, start] = f.locals("i32", 2);
  const slotBytes = 4 * walk.cells * arrays;
  if (walk.examples === "kept") {
    const example = f.local("i32");
    countUp(f, chunk, end, () => {
      const beyond = emitGroup(f, mergeChunks(walk, words).group, example);
      countUp(f, example, beyond, () => {
        f.get(table)
          .memory("i32.load")
          .get(example)
          .i32(slotBytes * walk.slots)
          .op("i32.mul", "i32.add")
          .set(slots);
        f.get(example).i32(words).op("i32.mul").set(start);
        body({ slots, start, words, count: walk.slots });
      });
    });
    return;
  }
  const count = f.local("i32");
  const own = f.local("i32");
  if (walk.examples === "folded")
    f.get(examples)
      .i32(walk.group - 1)
      .op("i32.add")
      .i32(walk.group)
      .op("i32.div_u")
      .i32(walk.part.folded ? walk.part.count : 1)
      .op("i32.mul")
      .set(count);
  else f.i32(walk.slots).set(count);
  countUp(f, chunk, end, () => {
    f.get(chunk).i32(mergePiece).op("i32.mul").set(start);
    setMinimum(
      f,
      own,
      () => f.i32(mergePiece),
      () => f.i32(words).get(start).op("i32.sub"),
    );
    f.get(table).memory("i32.load").get(start).i32(4).op("i32.mul", "i32.add").set(slots);
    body({ slots, start, words: own, count });
  });
}
