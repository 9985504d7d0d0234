import { size } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Algorithm, LayoutChoice, OperandRef, StepSpec } from "../contract.ts";
import { blockedLayout, type Placement, place, plainLayout, printLayout } from "../layout.ts";
import { addScaled, countUp, type Division, divide, emitUnits } from "../units.ts";
import { type AxisMap, type MovePlan, moveOperator } from "./operator.ts";
import { argument } from "./wasm-indexed.ts";

/** Channels that follow one another: from an input, or zeros. */
interface Segment {
  readonly source: number | null;
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

const isWhole = ({ input, output, start, step, repeat }: AxisMap): boolean => input === output && start === 0 && step === 1 && repeat === 1;

/** Channels of the result by where they come from; null where more than whole channels moves. */
function segmentsOf({ move, inputs }: MovePlan): Segment[] | null {
  if (inputs.some((type) => type.shape.length < (type.batched ? 2 : 1))) return null;
  if (move.kind === "concat" && move.axis === 0) {
    let to = 0;
    return inputs.map((type, source) => {
      const count = type.shape[type.batched ? 1 : 0];
      to += count;
      return { source, from: 0, to: to - count, count };
    });
  }
  if ((move.kind !== "remap" && move.kind !== "unmap") || move.axes.length === 0 || !move.axes.slice(1).every(isWhole)) return null;
  const { input, output, start, step, repeat } = move.axes[0];
  if (step !== 1 || repeat !== 1 || start < 0 || start + output > input) return null;
  if (move.kind === "remap") return [{ source: 0, from: start, to: 0, count: output }];
  const all: Segment[] = [
    { source: null, from: 0, to: 0, count: start },
    { source: 0, from: 0, to: start, count: output },
    { source: null, from: 0, to: start + output, count: input - start - output },
  ];
  return all.filter(({ count }) => count > 0);
}

/** Whether segments begin and end with blocks, or end where all that they come from ends. */
function fitsBlocks({ inputs, output }: MovePlan, segments: readonly Segment[], block: number): boolean {
  const channels = output.shape[output.batched ? 1 : 0];
  if (block > 1 && channels < block / 2) return false;
  return segments.every(({ source, from, to, count }) => {
    const given = source === null ? null : inputs[source].shape[inputs[source].batched ? 1 : 0];
    const ends = count % block === 0 || (to + count === channels && (given === null || from + count === given));
    return from % block === 0 && to % block === 0 && ends;
  });
}

const choiceOf = ({ inputs }: MovePlan, block: number): LayoutChoice => ({
  inputs: inputs.map(() => (block === 1 ? plainLayout : blockedLayout(block))),
  operands: [],
  outputs: [block],
});

/** Slices and joins along the channels, and their gradients: whole rows of cells at a time, in blocks too where no block is cut. */
export const channelMove: Algorithm<MovePlan> = {
  id: "wasm-move-channels",
  operator: "move",
  layouts: (plan, fusion) => {
    const segments = segmentsOf(plan);
    if (fusion !== null || segments === null) return [];
    return [16, 8, 1].filter((block) => fitsBlocks(plan, segments, block)).map((block) => choiceOf(plan, block));
  },
  refuses: () => null,
  estimate: ({ output }) => 400 + 0.15 * size(output.shape),
  emit: (plan, { inputs, outputs }) => {
    const to = place(plan.output, outputs[0]);
    const line = moveOperator.line(plan).replace(/ n\d+ /, " n ");
    const layouts = [...inputs, ...outputs].map(printLayout).join(" ");
    const steps = (segmentsOf(plan) ?? []).map((segment, i): StepSpec => {
      const from = segment.source === null ? null : place(plan.inputs[segment.source], inputs[segment.source]);
      const units = Math.ceil(segment.count / to.block);
      const division = divide(plan.output.batched, units, 50 + 0.1 * to.block * size(to.extents));
      const source: OperandRef[] = segment.source === null ? [] : [{ of: "input", index: segment.source, access: "read" }];
      return {
        routine: {
          key: `wasm-move-channels ${i} | ${line} | ${layouts}`,
          build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitSegment(f, division, segment, from, to)),
        },
        operands: [...source, { of: "output", index: 0, access: "update" }],
        chunks: division.chunks,
      };
    });
    return { temporaries: [], constants: [], steps };
  },
};

/** Axes that lie without gaps in both are one run of words; the others are walked. */
function runOf(from: Placement | null, to: Placement): { axes: number; words: number } {
  let axes = to.extents.length;
  let words = to.block;
  while (axes > 0 && to.strides[axes - 1] === words && (from === null || from.strides[axes - 1] === words)) words *= to.extents[--axes];
  return { axes, words };
}

function emitSegment(f: FunctionBuilder, division: Division, segment: Segment, from: Placement | null, to: Placement): void {
  const ends = [...(from === null ? [] : [from]), to].map((at) => ({
    at,
    first: Math.floor((at === to ? segment.to : segment.from) / at.block),
    given: f.local("i32"),
    base: f.local("i32"),
    here: f.local("i32"),
  }));
  ends.forEach(({ given }, i) => {
    f.get(argument(f, i)).set(given);
  });
  const { axes, words } = runOf(from, to);
  emitUnits(f, division, {
    example: (example) => {
      for (const { at, first, given, base } of ends) {
        f.get(given)
          .i32(4 * (at.origin + first * at.blockStride))
          .op("i32.add");
        if (example !== null) addScaled(f, example, 4 * at.exampleStride);
        f.set(base);
      }
    },
    unit: (unit) => {
      for (const { at, base, here } of ends) addScaled(f.get(base), unit, 4 * at.blockStride).set(here);
      const walk = (axis: number, pointers: readonly Local[]): void => {
        if (axis === axes) {
          emitRun(f, pointers, words);
          return;
        }
        const [counter, end] = f.locals("i32", 2);
        const inner = pointers.map((pointer) => {
          const own = f.local("i32");
          f.get(pointer).set(own);
          return own;
        });
        f.i32(0).set(counter).i32(to.extents[axis]).set(end);
        countUp(f, counter, end, () => {
          walk(axis + 1, inner);
          ends.forEach(({ at }, i) => {
            advance(f, inner[i], 4 * at.strides[axis]);
          });
        });
      };
      walk(
        0,
        ends.map(({ here }) => here),
      );
    },
  });
}

/** Copies words, sixteen at a time; with one pointer alone, sets them to zero. */
function emitRun(f: FunctionBuilder, pointers: readonly Local[], words: number): void {
  const vectors = (count: number, at: readonly Local[], offset: number): void => {
    for (let v = 0; v < count; v++) {
      f.get(at[at.length - 1]);
      if (at.length === 1) f.f32x4(0);
      else f.get(at[0]).memory("v128.load", offset + 16 * v);
      f.memory("v128.store", offset + 16 * v);
    }
  };
  const turns = Math.floor(words / 16);
  const moving = pointers.map((pointer) => {
    const own = f.local("i32");
    f.get(pointer).set(own);
    return own;
  });
  if (turns > 0) {
    const left = f.local("i32");
    f.i32(turns).set(left);
    f.loop((again) => {
      vectors(4, moving, 0);
      for (const own of moving) advance(f, own, 64);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  }
  const rest = words - 16 * turns;
  vectors(Math.floor(rest / 4), moving, 0);
  for (let word = 4 * Math.floor(rest / 4); word < rest; word++) {
    f.get(moving[moving.length - 1]);
    if (moving.length === 1) f.i32(0);
    else f.get(moving[0]).memory("i32.load", 4 * word);
    f.memory("i32.store", 4 * word);
  }
}
