import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { whileBelow } from "../../emit/wasm/vectors.ts";
import type { Algorithm, Chunks, Emission, Layout, OperandRef, Routine, StepSpec } from "../contract.ts";
import { plainLayout } from "../layout.ts";
import { type Dimension, dimension, readRow, rowBytes, stepsOf, type Target, tablesOf, walkPairs, walkTargets } from "../pair-lists.ts";
import { type MovePlan, moveOperator } from "./index.ts";
import { rest } from "./kind.ts";
import { mappedCell } from "./remap.ts";

/** Bytes to the first cell, from one example to the next, and along every axis after the example axis. */
interface ExampleSteps {
  readonly origin: number;
  readonly example: number;
  readonly axes: readonly number[];
}

function exampleSteps(type: TensorType, layout: Layout): ExampleSteps {
  const { origin, axes } = stepsOf(type, layout);
  return type.batched ? { origin, example: axes[0], axes: axes.slice(1) } : { origin, example: 0, axes };
}

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

const argument = (f: FunctionBuilder, position: number): Local => {
  const local = f.local("i32");
  f.get(f.parameters[0])
    .memory("i32.load", 4 * position)
    .set(local);
  return local;
};

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

/** Rows of cells behind an axis that is addressed at run time: all other axes, as targets of the result with the source's offset beside them. */
function otherAxes(extents: readonly number[], axis: number, at: readonly number[], also: readonly number[]): Target[][] {
  return extents.flatMap((extent, i) =>
    i === axis ? [] : [Array.from({ length: extent }, (_, cell) => ({ at: cell * at[i], also: cell * also[i], pairs: [] }))],
  );
}

/** gather and scatterAdd: one walks the result's cells of the axis, the other adds each source cell where its index says. */
function emitIndexed(plan: MovePlan, layouts: { readonly inputs: readonly Layout[]; readonly output: Layout }): Emission {
  const {
    move,
    inputs: [value, index],
    output,
  } = plan;
  if (move.kind !== "gather" && move.kind !== "scatterAdd") return { temporaries: [], constants: [], steps: [] };
  const [from, of, to] = [
    exampleSteps(value, layouts.inputs[0]),
    exampleSteps(index, layouts.inputs[1]),
    exampleSteps(output, layouts.output),
  ];
  const scatters = move.kind === "scatterAdd";
  const cells = rest(scatters ? output : value)[move.axis];
  const dimensions = otherAxes(rest(output), move.axis, to.axes, from.axes);
  const wide = (type: TensorType): boolean => type.batched;
  // examples that fold into one result are added by one chunk, in order
  const folds = scatters && wide(value) && !wide(output);
  const each = folds || scatters ? 1 : rest(output)[move.axis];
  const chunks: Chunks = folds ? { each: 1, group: 0 } : { each, group: wide(output) ? 1 : 0 };
  const emit = (f: FunctionBuilder): void => {
    const [, begin, end, examples] = f.parameters;
    const [source, indices, result] = [0, 1, 2].map((position) => argument(f, position));
    const lists = dimensions.map((_, d) => dimension(f, argument(f, 3 + 2 * d), argument(f, 4 + 2 * d)));
    const rows = dimensions.map((targets) => {
      const local = f.local("i32");
      f.i32(rowBytes * targets.length).set(local);
      return local;
    });
    const [chunk, example, last, j, picked, a, at, limit] = f.locals("i32", 8);
    const address = (base: Local, { origin, example: step }: ExampleSteps, to: Local): void =>
      void f.get(example).i32(step).op("i32.mul").get(base).op("i32.add").i32(origin).op("i32.add").set(to);
    const pick = (): void =>
      void f
        .get(example)
        .i32(of.example)
        .op("i32.mul")
        .get(indices)
        .op("i32.add")
        .i32(of.origin)
        .op("i32.add")
        .get(j)
        .i32(of.axes[0])
        .op("i32.mul", "i32.add")
        .memory("i32.load")
        .set(picked);
    const inside = (): void => void f.get(picked).i32(cells).op("i32.lt_u");
    f.get(begin).set(chunk);
    whileBelow(f, chunk, end, 1, () => {
      if (!scatters) {
        f.get(chunk).i32(each).op("i32.div_s").set(example).get(chunk).i32(each).op("i32.rem_s").set(j);
        pick();
        address(source, from, a);
        address(result, to, at);
        f.get(at).get(j).i32(to.axes[move.axis]).op("i32.mul", "i32.add").set(at);
        f.get(a).get(picked).i32(from.axes[move.axis]).op("i32.mul", "i32.add").set(a);
        walkTargets(f, lists, rows, at, a, (target, cell) => {
          f.get(target);
          inside();
          f.if(
            () => {
              f.get(cell).memory("i32.load").set(limit);
            },
            () => {
              f.i32(0).set(limit);
            },
          );
          f.get(limit).memory("i32.store");
        });
        return;
      }
      f.get(chunk).set(example);
      if (folds) f.i32(0).set(example);
      address(result, to, at);
      f.i32(0).set(j).i32(cells).set(limit);
      whileBelow(f, j, limit, 1, () => {
        f.get(at).get(j).i32(to.axes[move.axis]).op("i32.mul", "i32.add").set(picked);
        walkTargets(f, lists, rows, picked, picked, (target) => f.get(target).f32(0).memory("f32.store"));
      });
      if (folds) f.get(examples).set(last);
      else f.get(example).i32(1).op("i32.add").set(last);
      f.i32(rest(value)[move.axis]).set(limit);
      whileBelow(f, example, last, 1, () => {
        f.i32(0).set(j);
        whileBelow(f, j, limit, 1, () => {
          pick();
          inside();
          f.if(() => {
            if (folds) f.get(result).i32(to.origin).op("i32.add").set(at);
            else address(result, to, at);
            f.get(at).get(picked).i32(to.axes[move.axis]).op("i32.mul", "i32.add").set(at);
            address(source, from, a);
            f.get(a).get(j).i32(from.axes[move.axis]).op("i32.mul", "i32.add").set(a);
            walkTargets(f, lists, rows, at, a, (target, cell) =>
              f.get(target).get(target).memory("f32.load").get(cell).memory("f32.load").op("f32.add").memory("f32.store"),
            );
          });
        });
      });
    });
  };
  const constants = dimensions.flatMap(tablesOf);
  const routine: Routine = {
    key: `wasm-move-indexed | ${moveOperator.line(plan)} | ${JSON.stringify([from, of, to])}`,
    build: (module) => module.function(["i32", "i32", "i32", "i32"], [], emit),
  };
  const operands: OperandRef[] = [
    { of: "input", index: 0, access: "read" },
    { of: "input", index: 1, access: "read" },
    { of: "output", index: 0, access: "write" },
    ...constants.map((_, i): OperandRef => ({ of: "constant", index: i, access: "read" })),
  ];
  return { temporaries: [], constants, steps: [{ routine, operands, chunks }] };
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
    if (indexed) return emitIndexed(plan, { inputs, output: outputs[0] });
    return emitMaps(
      plan,
      plan.inputs.map((type, i) => exampleSteps(type, inputs[i])),
      exampleSteps(plan.output, outputs[0]),
    );
  },
};
