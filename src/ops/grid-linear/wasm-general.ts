import { size } from "../../base/types.ts";
import { axisTerms } from "../../grid/axis.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Algorithm, Emission, OperandRef } from "../contract.ts";
import { plainLayout } from "../layout.ts";
import { connectedPairs, type GridLinearPlan, typesOf } from "./plan.ts";
import { gridLinear } from "./index.ts";

/** One target index of a dimension: where it lies in the result, and the pairs of offsets (into the two operands) that are summed for it. */
interface Target {
  readonly at: number;
  readonly pairs: readonly (readonly [number, number])[];
}

/** Axes that make result dimensions, largest first: [channels, ...spatial axes]. Offsets are in cells. */
function dimensionsOf(plan: GridLinearPlan): Target[][] {
  const { axes, role } = plan;
  const taps = size(axes.map((axis) => axis.kernel));
  const perPair = size(axes.map((axis) => axis.period)) * taps;
  const [inputCells, outputCells] = [size(axes.map((axis) => axis.input)), size(axes.map((axis) => axis.output))];
  const pairs = connectedPairs(plan).map((pair, stored) => ({ kernel: stored * perPair, input: pair.input * inputCells, output: pair.output * outputCells }));
  const after = (index: number, extent: (axis: (typeof axes)[number]) => number): number => size(axes.slice(index + 1).map(extent));
  const spatial = axes.map((axis, index) => {
    const strides = { copy: after(index, (a) => a.period) * taps, tap: after(index, (a) => a.kernel), input: after(index, (a) => a.input), output: after(index, (a) => a.output) };
    return axisTerms(axis).map(({ copy, tap, input, output }) => ({
      kernel: copy * strides.copy + (plan.flip ? axis.kernel - 1 - tap : tap) * strides.tap, input: input * strides.input, output: output * strides.output,
    }));
  });
  const dimensions = [pairs, ...spatial].map((terms) => {
    const grouped = new Map<number, [number, number][]>();
    for (const { kernel, input, output } of terms) {
      const [target, first, second] = { forward: [output, kernel, input], kernel: [kernel, output, input], input: [input, kernel, output] }[role];
      grouped.set(target, [...(grouped.get(target) ?? []), [first, second]]);
    }
    return grouped;
  });
  return dimensions.map((grouped, index) => everyTarget(plan, index, perPair, taps).map((at) => ({ at, pairs: grouped.get(at) ?? [] })));
}

/** Offsets of all result cells along one dimension, also of those that no term reaches (they become zero). */
function everyTarget(plan: GridLinearPlan, dimension: number, perPair: number, taps: number): number[] {
  const { axes, role } = plan;
  const range = (count: number, stride: number): number[] => Array.from({ length: count }, (_, i) => i * stride);
  if (dimension === 0) {
    if (role === "kernel") return range(connectedPairs(plan).length, perPair);
    const cells = size(axes.map((axis) => (role === "forward" ? axis.output : axis.input)));
    return range(role === "forward" ? plan.channelsOut : plan.channelsIn, cells);
  }
  const [axis, rest] = [axes[dimension - 1], axes.slice(dimension)];
  if (role !== "kernel") return range(role === "forward" ? axis.output : axis.input, size(rest.map((other) => (role === "forward" ? other.output : other.input))));
  const copies = range(axis.period, size(rest.map((other) => other.period)) * taps);
  return copies.flatMap((copy) => range(axis.kernel, size(rest.map((other) => other.kernel))).map((tap) => copy + tap));
}

/** Tables of a dimension in bytes: per target (offset, begin, end) and per pair (first, second). */
function tablesOf(targets: readonly Target[]): { targets: Int32Array; pairs: Int32Array } {
  let begin = 0;
  const rows = targets.flatMap(({ at, pairs }) => {
    const row = [4 * at, 8 * begin, 8 * (begin + pairs.length)];
    begin += pairs.length;
    return row;
  });
  return { targets: Int32Array.from(rows), pairs: Int32Array.from(targets.flatMap(({ pairs }) => pairs.flatMap(([first, second]) => [4 * first, 4 * second]))) };
}

interface Frame {
  readonly f: FunctionBuilder;
  readonly dimensions: number;
  readonly tables: readonly { readonly targets: Local; readonly pairs: Local }[];
  readonly bounds: readonly { readonly begin: Local; readonly end: Local }[];
}

/** for (entry = begin; entry < end; entry += step) body */
function loopOver(f: FunctionBuilder, entry: Local, end: Local, step: number, body: () => void): void {
  f.block((exit) => {
    f.get(entry).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((again) => {
      body();
      f.get(entry).i32(step).op("i32.add").tee(entry).get(end).op("i32.lt_s").branchIf(again);
    });
  });
}

/** Adds first[..] * second[..] over the product of the pair lists of all dimensions. */
function emitSum({ f, dimensions, tables, bounds }: Frame, first: Local, second: Local, sum: Local): void {
  const nest = (dimension: number, a: Local, b: Local): void => {
    if (dimension === dimensions) {
      f.get(sum).get(a).memory("f32.load").op("f64.promote_f32").get(b).memory("f32.load").op("f64.promote_f32").op("f64.mul", "f64.add").set(sum);
      return;
    }
    const [entry, innerA, innerB] = f.locals("i32", 3);
    f.get(bounds[dimension].begin).set(entry);
    loopOver(f, entry, bounds[dimension].end, 8, () => {
      const { pairs } = tables[dimension];
      f.get(pairs).get(entry).op("i32.add").memory("i32.load", 0).get(a).op("i32.add").set(innerA);
      f.get(pairs).get(entry).op("i32.add").memory("i32.load", 4).get(b).op("i32.add").set(innerB);
      nest(dimension + 1, innerA, innerB);
    });
  };
  nest(0, first, second);
}

/** Walks the targets of dimensions 1 and up; at each the sum (over examples for the kernel role) is stored. */
function emitTargets(frame: Frame, counts: readonly Local[], result: Local, store: (at: Local) => void): void {
  const { f, dimensions, tables, bounds } = frame;
  const nest = (dimension: number, at: Local): void => {
    if (dimension === dimensions) {
      store(at);
      return;
    }
    const [row, end, inner] = f.locals("i32", 3);
    f.get(tables[dimension].targets).set(row);
    f.get(row).get(counts[dimension]).op("i32.add").set(end);
    loopOver(f, row, end, 12, () => {
      readTarget(f, row, bounds[dimension]);
      f.get(row).memory("i32.load", 0).get(at).op("i32.add").set(inner);
      nest(dimension + 1, inner);
    });
  };
  nest(1, result);
}

function readTarget(f: FunctionBuilder, row: Local, { begin, end }: { begin: Local; end: Local }): void {
  f.get(row).memory("i32.load", 4).set(begin);
  f.get(row).memory("i32.load", 8).set(end);
}

/** Words of the table of sizes: channel targets, bytes of targets 1.., strides in bytes of one example of first, second, result. */
function emitGeneral(f: FunctionBuilder, dimensions: number, sumsExamples: boolean): void {
  const [table, begin, end, examples] = f.parameters;
  const argument = (index: number): Local => {
    const local = f.local("i32");
    f.get(table).memory("i32.load", 4 * index).set(local);
    return local;
  };
  const [first, second, result, sizes] = [0, 1, 2, 3].map(argument);
  const tables = Array.from({ length: dimensions }, (_, d) => ({ targets: argument(4 + 2 * d), pairs: argument(5 + 2 * d) }));
  const bounds = tables.map(() => ({ begin: f.local("i32"), end: f.local("i32") }));
  const word = (index: number): Local => {
    const local = f.local("i32");
    f.get(sizes).memory("i32.load", 4 * index).set(local);
    return local;
  };
  const channels = word(0);
  const counts = [channels, ...Array.from({ length: 3 }, (_, d) => word(1 + d))];
  const [firstStride, secondStride, resultStride] = [4, 5, 6].map(word);
  const frame: Frame = { f, dimensions, tables, bounds };
  const [chunk, row, example, a, b, at] = f.locals("i32", 6);
  const sum = f.local("f64");
  f.get(begin).set(chunk);
  loopOver(f, chunk, end, 1, () => {
    f.get(chunk).get(channels).op("i32.rem_s").i32(12).op("i32.mul").get(tables[0].targets).op("i32.add").set(row);
    readTarget(f, row, bounds[0]);
    if (!sumsExamples) f.get(chunk).get(channels).op("i32.div_s").set(example);
    const offset = (base: Local, stride: Local, to: Local): void => void f.get(example).get(stride).op("i32.mul").get(base).op("i32.add").set(to);
    f.get(row).memory("i32.load", 0).get(result).op("i32.add").set(at);
    if (!sumsExamples) f.get(example).get(resultStride).op("i32.mul").get(at).op("i32.add").set(at);
    emitTargets(frame, counts, at, (cell) => {
      f.f64(0).set(sum);
      const once = (): void => {
        offset(first, firstStride, a);
        offset(second, secondStride, b);
        emitSum(frame, a, b, sum);
      };
      if (sumsExamples) {
        f.i32(0).set(example);
        loopOver(f, example, examples, 1, once);
      } else once();
      f.get(cell).get(sum).op("f32.demote_f64").memory("f32.store");
    });
  });
}

/**
 * Every option in every combination, one cell at a time: the result's cells are gathered, each summing the product of the
 * pair lists of its channel and of its position on every axis. The lists are tables, so one routine serves all plans of a rank.
 * Sums are kept in float64.
 */
export const generalGridLinear: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-general",
  operator: "grid-linear",
  layouts: (_plan, fusion) => (fusion === null ? [{ inputs: [plainLayout, plainLayout], operands: [], outputs: [1] }] : []),
  refuses: () => null,
  estimate: (plan) => 2000 + 3 * gridLinear.cost(plan).multiplyAdds,
  emit(plan): Emission {
    const dimensions = dimensionsOf(plan);
    const tables = dimensions.map(tablesOf);
    const types = typesOf(plan);
    const exampleBytes = (part: "kernel" | "input" | "output"): number => (part === "kernel" ? 0 : 4 * size(types[part].shape.slice(1)));
    const [first, second, result] = ({ forward: ["kernel", "input", "output"], kernel: ["output", "input", "kernel"], input: ["kernel", "output", "input"] } as const)[plan.role].map(exampleBytes);
    const counts = [1, 2, 3].map((d) => 12 * (dimensions[d]?.length ?? 0));
    const channels = dimensions[0].length;
    const sumsExamples = plan.role === "kernel";
    // examples that are no batch are all there in every run
    const fixed = !plan.batched;
    const constants = [Int32Array.from([channels, ...counts, first, second, result]), ...tables.flatMap(({ targets, pairs }) => [targets, pairs])];
    const operands: OperandRef[] = [
      { of: "input", index: 0, access: "read" }, { of: "input", index: 1, access: "read" }, { of: "output", index: 0, access: "write" },
      ...constants.map((_, index): OperandRef => ({ of: "constant", index, access: "read" })),
    ];
    const key = `wasm-grid-linear-general | ${dimensions.length} dimensions${sumsExamples ? ` summed over ${fixed ? plan.examples : "all"} examples` : ""}`;
    return {
      temporaries: [],
      constants,
      steps: [{
        routine: {
          key,
          build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => {
            if (fixed && sumsExamples) f.i32(plan.examples).set(f.parameters[3]);
            emitGeneral(f, dimensions.length, sumsExamples);
          }),
        },
        operands,
        chunks: sumsExamples ? { each: channels, group: 0 } : fixed ? { each: channels * plan.examples, group: 0 } : { each: channels, group: 1 },
      }],
    };
  },
};
