import { size } from "../../base/types.ts";
import { axisTerms } from "../../grid/axis.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { whileBelow } from "../../emit/wasm/vectors.ts";
import type { Algorithm, Emission, OperandRef } from "../contract.ts";
import { plainLayout } from "../layout.ts";
import { dimension, readRow, rowBytes, type Target, tablesOf, walkPairs, walkTargets } from "../pair-lists.ts";
import { connectedPairs, type GridLinearPlan, typesOf } from "./plan.ts";
import { gridLinear } from "./index.ts";

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
  return dimensions.map((grouped, index) => everyTarget(plan, index, perPair, taps).map((at) => ({ at: 4 * at, also: 0, pairs: (grouped.get(at) ?? []).map(([a, b]) => [4 * a, 4 * b] as const) })));
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

/** Table of sizes: channel targets, bytes of rows of dimensions 1 to 3, bytes of one example of first, second and result. */
function emitGeneral(f: FunctionBuilder, count: number, sumsExamples: boolean): void {
  const [table, begin, end, examples] = f.parameters;
  const word = (from: Local, index: number): Local => {
    const local = f.local("i32");
    f.get(from).memory("i32.load", 4 * index).set(local);
    return local;
  };
  const [first, second, result, sizes] = [0, 1, 2, 3].map((index) => word(table, index));
  const dimensions = Array.from({ length: count }, (_, d) => dimension(f, word(table, 4 + 2 * d), word(table, 5 + 2 * d)));
  const [channels, ...bytes] = [0, 1, 2, 3].map((index) => word(sizes, index));
  const [firstStride, secondStride, resultStride] = [4, 5, 6].map((index) => word(sizes, index));
  const [chunk, row, example, a, b, at, also] = f.locals("i32", 7);
  const sum = f.local("f64");
  const toExample = (base: Local, stride: Local, to: Local): void => void f.get(example).get(stride).op("i32.mul").get(base).op("i32.add").set(to);
  const addTerms = (): void => {
    toExample(first, firstStride, a);
    toExample(second, secondStride, b);
    walkPairs(f, dimensions, a, b, (x, y) => {
      f.get(sum).get(x).memory("f32.load").op("f64.promote_f32").get(y).memory("f32.load").op("f64.promote_f32").op("f64.mul", "f64.add").set(sum);
    });
  };
  f.get(begin).set(chunk);
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).get(channels).op("i32.rem_s").i32(rowBytes).op("i32.mul").get(dimensions[0].targets).op("i32.add").set(row);
    readRow(f, row, dimensions[0]);
    if (!sumsExamples) f.get(chunk).get(channels).op("i32.div_s").set(example);
    toExample(result, resultStride, at);
    f.get(row).memory("i32.load", 0).get(at).op("i32.add").set(at);
    walkTargets(f, dimensions.slice(1), bytes, at, also, (cell) => {
      f.f64(0).set(sum);
      if (sumsExamples) {
        f.i32(0).set(example);
        whileBelow(f, example, examples, 1, addTerms);
      } else addTerms();
      f.get(cell).get(sum).op("f32.demote_f64").memory("f32.store");
    });
    if (sumsExamples) f.i32(0).set(example);
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
    const types = typesOf(plan);
    const exampleBytes = (part: "kernel" | "input" | "output"): number => (part === "kernel" ? 0 : 4 * size(types[part].shape.slice(1)));
    const [first, second, result] = ({ forward: ["kernel", "input", "output"], kernel: ["output", "input", "kernel"], input: ["kernel", "output", "input"] } as const)[plan.role].map(exampleBytes);
    const counts = [1, 2, 3].map((d) => rowBytes * (dimensions[d]?.length ?? 0));
    const channels = dimensions[0].length;
    const sumsExamples = plan.role === "kernel";
    // examples that are no batch are all there in every run
    const fixed = !plan.batched;
    const constants = [Int32Array.from([channels, ...counts, first, second, result]), ...dimensions.flatMap(tablesOf)];
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
