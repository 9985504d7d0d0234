import { size } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { whileBelow } from "../../emit/wasm/vectors.ts";
import type { Algorithm, Emission, OperandRef, StepSpec } from "../contract.ts";
import { plainLayout } from "../layout.ts";
import { type Dimension, dimension, readRow, rowBytes, type Target, tablesOf, walkPairs, walkTargets } from "../pair-lists.ts";
import type { MovePlan } from "./index.ts";
import { rest } from "./kind.ts";
import { mappedCell } from "./remap.ts";
import { argument, type ExampleSteps, emitIndexed, exampleSteps } from "./wasm-indexed.ts";

/** One pass over the cells of a result (or of a part of it): every cell is the sum or the last of the source cells listed for it. */
interface Pass {
  readonly source: number;
  readonly dimensions: readonly (readonly Target[])[];
}

/** Copies of one input: per axis of the result, where it lies and which source cell it reads. */
function copies(extents: readonly number[], at: readonly number[], from: (axis: number, cell: number) => readonly number[]): Target[][] {
  return extents.map((extent, axis) =>
    Array.from({ length: extent }, (_, cell) => ({
      at: cell * at[axis],
      also: 0,
      pairs: from(axis, cell).map((offset) => [offset, 0] as const),
    })),
  );
}

/** The passes of the kinds whose maps are known when planning. */
function passesOf({ move, inputs, output }: MovePlan, sources: readonly ExampleSteps[], result: ExampleSteps): Pass[] {
  const extents = rest(output);
  const [from] = sources;
  switch (move.kind) {
    case "transpose":
      return [{ source: 0, dimensions: copies(extents, result.axes, (axis, cell) => [cell * from.axes[move.order[axis]]]) }];
    case "remap":
      return [
        {
          source: 0,
          dimensions: copies(extents, result.axes, (axis, cell) =>
            [mappedCell(move.axes[axis], cell)].filter((mapped) => mapped >= 0).map((mapped) => mapped * from.axes[axis]),
          ),
        },
      ];
    case "unmap": {
      const readers = move.axes.map((axis) => {
        const cells: number[][] = Array.from({ length: axis.input }, () => []);
        for (let cell = 0; cell < axis.output; cell++) {
          const mapped = mappedCell(axis, cell);
          if (mapped >= 0) cells[mapped].push(cell);
        }
        return cells;
      });
      return [
        {
          source: 0,
          dimensions: copies(extents, result.axes, (axis, cell) => readers[axis][cell].map((reader) => reader * from.axes[axis])),
        },
      ];
    }
    case "concat": {
      let start = 0;
      return inputs.map((input, source) => {
        const begin = start;
        start += rest(input)[move.axis];
        const dimensions = copies(rest(input), result.axes, (axis, cell) => [cell * sources[source].axes[axis]]);
        const shifted = dimensions.map((targets, axis) =>
          axis === move.axis ? targets.map((target) => ({ ...target, at: target.at + begin * result.axes[axis] })) : targets,
        );
        return { source, dimensions: shifted };
      });
    }
    default:
      return [];
  }
}

const word = (f: FunctionBuilder, table: Local, index: number): Local => {
  const local = f.local("i32");
  f.get(table)
    .memory("i32.load", 4 * index)
    .set(local);
  return local;
};

/** Arguments: source, result, sizes (targets of axis 0, bytes of rows of axes 1.., example bytes of both, their origins), tables. */
function emitPass(f: FunctionBuilder, count: number, sums: boolean, fillBits: number): void {
  const [, begin, end] = f.parameters;
  const [source, result, sizes] = [0, 1, 2].map((position) => argument(f, position));
  const dimensions: Dimension[] = Array.from({ length: count }, (_, d) => dimension(f, argument(f, 3 + 2 * d), argument(f, 4 + 2 * d)));
  const first = word(f, sizes, 0);
  const bytes = dimensions.slice(1).map((_, d) => word(f, sizes, 1 + d));
  const [sourceStep, resultStep, sourceOrigin, resultOrigin] = [8, 9, 10, 11].map((index) => word(f, sizes, index));
  const [chunk, example, part, row, from, at, none] = f.locals("i32", 7);
  const value = f.local(sums ? "f32" : "i32");
  const begins = (base: Local, step: Local, origin: Local, to: Local): void =>
    void f.get(example).get(step).op("i32.mul").get(base).op("i32.add").get(origin).op("i32.add").set(to);
  f.get(begin).set(chunk);
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).get(first).op("i32.div_s").set(example).get(chunk).get(first).op("i32.rem_s").set(part);
    begins(result, resultStep, resultOrigin, at);
    if (count > 0) {
      f.get(part).i32(rowBytes).op("i32.mul").get(dimensions[0].targets).op("i32.add").set(row);
      readRow(f, row, dimensions[0]);
      f.get(row).memory("i32.load", 0).get(at).op("i32.add").set(at);
    }
    walkTargets(f, dimensions.slice(1), bytes, at, none, (target) => {
      if (sums) f.f32(0).set(value);
      else f.i32(fillBits).set(value);
      begins(source, sourceStep, sourceOrigin, from);
      walkPairs(f, dimensions, from, none, (cell) => {
        if (sums) f.get(value).get(cell).memory("f32.load").op("f32.add").set(value);
        else f.get(cell).memory("i32.load").set(value);
      });
      f.get(target)
        .get(value)
        .memory(sums ? "f32.store" : "i32.store");
    });
  });
}

function emitMaps(plan: MovePlan, sources: readonly ExampleSteps[], result: ExampleSteps): Emission {
  const { move, output } = plan;
  const fill = move.kind === "remap" ? move.fill : 0;
  const fillBits = output.dtype === "f32" ? new Int32Array(Float32Array.of(fill).buffer)[0] : fill;
  const sums = move.kind === "unmap";
  const constants: Int32Array[] = [];
  const table = (cells: Int32Array): OperandRef => ({ of: "constant", index: constants.push(cells) - 1, access: "read" });
  const steps = passesOf(plan, sources, result).map(({ source, dimensions }): StepSpec => {
    const count = dimensions.length;
    const rows = [1, 2, 3, 4, 5, 6, 7].map((d) => rowBytes * (dimensions[d]?.length ?? 0));
    const first = dimensions[0]?.length ?? 1;
    const sizes = Int32Array.from([first, ...rows, sources[source].example, result.example, sources[source].origin, result.origin]);
    const key = `wasm-move | ${count} axes ${sums ? "sum" : `copy, else ${fillBits}`}`;
    return {
      routine: { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitPass(f, count, sums, fillBits)) },
      operands: [
        { of: "input", index: source, access: "read" },
        { of: "output", index: 0, access: "update" },
        table(sizes),
        ...dimensions.flatMap(tablesOf).map(table),
      ],
      chunks: { each: first, group: output.batched ? 1 : 0 },
    };
  });
  return { temporaries: [], constants, steps };
}

/** Every kind of move but reshape on plain layouts, word by word: the maps are tables, so few routines serve all plans. */
export const plainMove: Algorithm<MovePlan> = {
  id: "wasm-move-plain",
  operator: "move",
  layouts: (plan, fusion) => (fusion === null ? [{ inputs: plan.inputs.map(() => plainLayout), operands: [], outputs: [1] }] : []),
  refuses: ({ move }) => (move.kind === "reshape" ? "it moves nothing: the result is the input, seen with other extents." : null),
  estimate: (plan) => 2000 + 4 * size(plan.output.shape),
  emit: (plan, { inputs, outputs }) => {
    const indexed = plan.move.kind === "gather" || plan.move.kind === "scatterAdd";
    if (indexed) return emitIndexed(plan, inputs, outputs[0]);
    return emitMaps(
      plan,
      plan.inputs.map((type, i) => exampleSteps(type, inputs[i])),
      exampleSteps(plan.output, outputs[0]),
    );
  },
};
