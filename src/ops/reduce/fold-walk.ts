import { size, type TensorType } from "../../base/types.ts";
import type { Layout } from "../contract.ts";
import { channelAxis, place } from "../layout.ts";
import { coalesce, type Move } from "../walk.ts";

/** One axis of the inputs: words from cell to cell of each, and `out` words in the result, 0 where the cells are folded into one. */
export interface FoldAxis {
  readonly extent: number;
  readonly in: readonly number[];
  readonly out: number;
}

/** How one input is met along the axes of the cells that are folded: block axis, axes behind it, lanes. A step of 0 repeats it. */
export interface FoldStream {
  readonly origin: number;
  readonly exampleStep: number;
  readonly steps: readonly number[];
}

/** Part of the input that is folded along straight axes; the last of them moves by one word. */
export interface FoldBox {
  readonly axes: readonly FoldAxis[];
  /** Words from the first interior cell of an example, in each input. */
  readonly start: readonly number[];
}

/** How the work is dealt: examples by `group`, each in `parts` along one axis; partial results of a chunk lie in a slot. */
export interface FoldWalk {
  readonly examples: "kept" | "folded" | "none";
  readonly boxes: readonly FoldBox[];
  readonly streams: readonly FoldStream[];
  /** Words of one array of a slot: the result's cells (of one example where examples are kept), spare lanes included. */
  readonly cells: number;
  /** Input cells of one example that are folded into one cell. */
  readonly folded: number;
  readonly group: number;
  readonly part: FoldPart;
  /** Most slots that are added into one result. */
  readonly slots: number;
}

/** The axis of the only box that is dealt out, and how many of its positions a chunk takes; `count` 1 when it is not. */
export interface FoldPart {
  readonly axis: number;
  readonly extent: number;
  readonly size: number;
  readonly count: number;
  /** Chunks of one example write slots of their own. */
  readonly folded: boolean;
}

/** Why a blocked input cannot be folded into a result with blocks of `block` channels, or null. */
export function refuseBlocks(input: TensorType, output: TensorType, from: number, to: number): string | null {
  if (from === 1 && to === 1) return null;
  const extents = alignedExtents(input, output).slice(channelAxis(input));
  const channels = input.shape[channelAxis(input)];
  if (extents[0] !== channels) return "channels of a blocked input can only be kept.";
  if (to === from) return output.batched && output.shape.length === input.shape.length ? null : "a result without examples lies plain.";
  return to === 1 && extents.slice(1).every((extent) => extent === 1)
    ? null
    : "a blocked input folds to one value per channel, or stays blocked.";
}

/** Extent of the result on each axis of the input. */
function alignedExtents(input: TensorType, output: TensorType): number[] {
  const lead = input.shape.length - output.shape.length;
  return input.shape.map((_, axis) => (axis < lead ? 1 : output.shape[axis - lead]));
}

/** Words of a chunk's input: large enough to be worth a call, small enough for some parallelism. */
const chunkWords = (total: number, most: number): number => Math.max(8192, Math.min(most, Math.ceil(total / 8)));

/** A value that is folded cell by cell. */
export function streamOf(type: TensorType, layout: Layout): FoldStream {
  const at = place(type, layout);
  return { origin: at.origin, exampleStep: type.batched ? at.exampleStride : 0, steps: [at.blockStride, ...at.strides, 1] };
}

/** Works out boxes, chunks and slots of inputs that are folded as cells of the type `input`. `most` is the largest number of its words in a chunk. */
export function walkFold(input: TensorType, block: number, streams: readonly FoldStream[], output: TensorType, most: number): FoldWalk {
  const layout: Layout = { block, halo: [], fill: 0 };
  const at = place(input, layout);
  const first = channelAxis(input);
  const extents = alignedExtents(input, output).slice(first);
  const examples = !input.batched ? "none" : output.batched ? "kept" : "folded";
  const whole = [at.blocks, ...at.extents, layout.block];
  const kept = layout.block === 1 ? [...(extents.length === 0 ? [1] : extents), 1] : [at.blocks, ...extents.slice(1), layout.block];
  const cells = size(kept);
  const boxes = boxesOf(whole, kept, streams);
  const exampleWords = size(whole);
  const common = {
    examples,
    boxes,
    streams,
    cells,
    folded: size(whole) / cells,
  } as const;
  return { ...common, ...deal(boxes, examples, input.batched ? input.shape[0] : 1, exampleWords, cells, most) };
}

function boxesOf(whole: readonly number[], kept: readonly number[], streams: readonly FoldStream[]): FoldBox[] {
  let boxes: { axes: FoldAxis[]; start: readonly number[] }[] = [{ axes: [], start: streams.map(() => 0) }];
  const outSteps = kept.map((_, axis) => size(kept.slice(axis + 1)));
  whole.forEach((extent, axis) => {
    const [own, out] = [kept[axis], outSteps[axis]];
    const step = streams.map(({ steps }) => steps[axis]);
    const turns = Math.floor(extent / own);
    const rest = extent - turns * own;
    const repeated: FoldAxis[] = [
      { extent: turns, in: step.map((words) => own * words), out: 0 },
      { extent: own, in: step, out },
    ];
    const main = boxes.map((box) => ({ axes: [...box.axes, ...repeated], start: box.start }));
    const last =
      rest === 0
        ? []
        : boxes.map((box) => ({
            axes: [...box.axes, { extent: rest, in: step, out }],
            start: box.start.map((words, t) => words + turns * own * step[t]),
          }));
    boxes = [...main, ...last];
  });
  return boxes.map(({ axes, start }) => ({ axes: joinAxes(axes), start }));
}

function joinAxes(axes: readonly FoldAxis[]): FoldAxis[] {
  const move = (extent: number, step: number): Move => ({ extent: step === 0 ? 1 : extent, step });
  const inputs = axes[0].in.map((_, t) => axes.map((axis) => move(axis.extent, axis.in[t])));
  const moves = [...inputs, axes.map((axis) => move(axis.extent, axis.out))];
  const joined = coalesce({ extents: axes.map(({ extent }) => extent), moves, runSteps: moves.map(() => 1) });
  return joined.extents.map((extent, axis) => ({
    extent,
    in: inputs.map((_, t) => joined.moves[t][axis].step),
    out: joined.moves[inputs.length][axis].step,
  }));
}

const undivided: FoldPart = { axis: -1, extent: 1, size: 1, count: 1, folded: false };

function deal(
  boxes: readonly FoldBox[],
  mode: FoldWalk["examples"],
  examples: number,
  exampleWords: number,
  cells: number,
  most: number,
): Pick<FoldWalk, "group" | "part" | "slots"> {
  const words = chunkWords(examples * exampleWords, most);
  // slots nearly as large as what is folded into them would cost as much: then the result's cells are dealt out instead
  const wide = mode === "folded" && 8 * cells > words;
  const group = wide ? examples : Math.max(1, Math.floor(words / exampleWords));
  const wanted = Math.ceil((Math.min(group, examples) * exampleWords) / (wide ? words : 2 * words));
  const part = wanted > 1 && boxes.length === 1 ? divideAxis(boxes[0].axes, wanted, wide) : undivided;
  const perExample = part.folded ? part.count : 1;
  return { group, part, slots: mode === "folded" ? Math.ceil(examples / group) * perExample : perExample };
}

/** Deals out the outermost axis that is long enough: a folded one, or the first kept one (whose positions own a range of the result). */
function divideAxis(axes: readonly FoldAxis[], wanted: number, wide: boolean): FoldPart {
  const firstKept = axes.findIndex(({ out }) => out > 0);
  const candidates = axes.map((_, axis) => axis).filter((axis) => axis === firstKept || (axes[axis].out === 0 && !wide));
  const long = candidates.find((axis) => axes[axis].extent >= wanted);
  const axis = long ?? candidates.reduce((best, other) => (best < 0 || axes[other].extent > axes[best].extent ? other : best), -1);
  if (axis < 0 || axes[axis].extent === 1) return undivided;
  const { extent, out } = axes[axis];
  const last = axis === axes.length - 1;
  const share = Math.ceil(extent / Math.min(wanted, extent));
  const positions = last ? Math.min(extent, Math.ceil(share / 16) * 16) : share;
  return { axis, extent, size: positions, count: Math.ceil(extent / positions), folded: out === 0 };
}
