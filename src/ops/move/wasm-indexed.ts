import type { TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { whileBelow } from "../../emit/wasm/vectors.ts";
import type { Chunks, Emission, Layout, OperandRef, Routine } from "../contract.ts";
import { type Dimension, dimension, rowBytes, stepsOf, type Target, tablesOf, walkTargets } from "../pair-lists.ts";
import { rest } from "./kind.ts";
import { type MovePlan, moveOperator } from "./operator.ts";

/** Bytes to the first cell, from one example to the next, and along every axis after the example axis. */
export interface ExampleSteps {
  readonly origin: number;
  readonly example: number;
  readonly axes: readonly number[];
}

export function exampleSteps(type: TensorType, layout: Layout): ExampleSteps {
  const { origin, axes } = stepsOf(type, layout);
  return type.batched ? { origin, example: axes[0], axes: axes.slice(1) } : { origin, example: 0, axes };
}

export const argument = (f: FunctionBuilder, position: number): Local => {
  const local = f.local("i32");
  f.get(f.parameters[0])
    .memory("i32.load", 4 * position)
    .set(local);
  return local;
};

/** gather and scatterAdd: their kind, and where value, index and result lie. */
interface Indexed {
  readonly axis: number;
  /** Cells of the axis that indices point into, and number of indices. */
  readonly cells: number;
  readonly count: number;
  readonly from: ExampleSteps;
  readonly of: ExampleSteps;
  readonly to: ExampleSteps;
  /** All other axes, as targets of the result with the source's offset beside them. */
  readonly others: readonly (readonly Target[])[];
  /** Examples are added into one result. */
  readonly folds: boolean;
}

function indexedOf({ move, inputs: [value, index], output }: MovePlan, axis: number, inputs: readonly Layout[], layout: Layout): Indexed {
  const [from, of, to] = [exampleSteps(value, inputs[0]), exampleSteps(index, inputs[1]), exampleSteps(output, layout)];
  const scatters = move.kind === "scatterAdd";
  const others = rest(output).flatMap((extent, i) =>
    i === axis ? [] : [Array.from({ length: extent }, (_, cell) => ({ at: cell * to.axes[i], also: cell * from.axes[i], pairs: [] }))],
  );
  const cells = rest(scatters ? output : value)[axis];
  return { axis, cells, count: rest(index)[0], from, of, to, others, folds: scatters && value.batched && !output.batched };
}

/** What both kinds have in common. */
class IndexedCode {
  readonly f: FunctionBuilder;
  readonly source: Local;
  readonly result: Local;
  readonly example: Local;
  readonly j: Local;
  readonly picked: Local;
  readonly at: Local;
  readonly from: Local;
  readonly #indexed: Indexed;
  readonly #indices: Local;
  readonly #lists: readonly Dimension[];
  readonly #rows: readonly Local[];

  constructor(f: FunctionBuilder, indexed: Indexed) {
    this.f = f;
    this.#indexed = indexed;
    [this.source, this.#indices, this.result] = [0, 1, 2].map((position) => argument(f, position));
    this.#lists = indexed.others.map((_, d) => dimension(f, argument(f, 3 + 2 * d), argument(f, 4 + 2 * d)));
    this.#rows = indexed.others.map((targets) => {
      const local = f.local("i32");
      f.i32(rowBytes * targets.length).set(local);
      return local;
    });
    [this.example, this.j, this.picked, this.at, this.from] = f.locals("i32", 5);
  }

  /** to = the first cell of the example. */
  address(base: Local, { origin, example }: ExampleSteps, to: Local): void {
    this.f.get(this.example).i32(example).op("i32.mul").get(base).op("i32.add").i32(origin).op("i32.add").set(to);
  }

  /** picked = index j of the example. */
  pick(): void {
    const { of } = this.#indexed;
    this.address(this.#indices, of, this.picked);
    this.f.get(this.picked).get(this.j).i32(of.axes[0]).op("i32.mul", "i32.add").memory("i32.load").set(this.picked);
  }

  /** Pushes whether the index is a cell of the axis. */
  inside(): void {
    this.f.get(this.picked).i32(this.#indexed.cells).op("i32.lt_u");
  }

  /** local += position * step along the axis */
  along(local: Local, position: Local, { axes }: ExampleSteps): void {
    this.f.get(local).get(position).i32(axes[this.#indexed.axis]).op("i32.mul", "i32.add").set(local);
  }

  walk(visit: (target: Local, cell: Local) => void): void {
    walkTargets(this.f, this.#lists, this.#rows, this.at, this.from, visit);
  }
}

/** A chunk is one index of an example: its cells are copied, or zero where it points nowhere. */
function emitGather(f: FunctionBuilder, indexed: Indexed): void {
  const code = new IndexedCode(f, indexed);
  const { example, j, picked, at, from } = code;
  const [, chunk, end] = f.parameters;
  const value = f.local("i32");
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).i32(indexed.count).op("i32.div_u").set(example).get(chunk).i32(indexed.count).op("i32.rem_u").set(j);
    code.pick();
    code.address(code.source, indexed.from, from);
    code.address(code.result, indexed.to, at);
    code.along(at, j, indexed.to);
    code.along(from, picked, indexed.from);
    code.walk((target, cell) => {
      f.i32(0).set(value);
      code.inside();
      f.if(() => void f.get(cell).memory("i32.load").set(value));
      f.get(target).get(value).memory("i32.store");
    });
  });
}

/** A chunk is one result: it is cleared, then the cells are added in the order of examples and indices. */
function emitScatter(f: FunctionBuilder, indexed: Indexed): void {
  const code = new IndexedCode(f, indexed);
  const { example, j, picked, at, from } = code;
  const [, chunk, end, examples] = f.parameters;
  const [last, limit] = f.locals("i32", 2);
  const begin = (): void => {
    if (indexed.folds) f.get(code.result).i32(indexed.to.origin).op("i32.add").set(at);
    else code.address(code.result, indexed.to, at);
  };
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).set(example).i32(0).set(picked).i32(indexed.cells).set(limit);
    whileBelow(f, picked, limit, 1, () => {
      begin();
      code.along(at, picked, indexed.to);
      code.walk((target) => f.get(target).f32(0).memory("f32.store"));
    });
    if (indexed.folds) f.i32(0).set(example).get(examples).set(last);
    else f.get(example).i32(1).op("i32.add").set(last);
    f.i32(indexed.count).set(limit);
    whileBelow(f, example, last, 1, () => {
      f.i32(0).set(j);
      whileBelow(f, j, limit, 1, () => {
        code.pick();
        code.inside();
        f.if(() => {
          begin();
          code.along(at, picked, indexed.to);
          code.address(code.source, indexed.from, from);
          code.along(from, j, indexed.from);
          code.walk((target, cell) =>
            f.get(target).get(target).memory("f32.load").get(cell).memory("f32.load").op("f32.add").memory("f32.store"),
          );
        });
      });
    });
  });
}

/** gather walks the result's cells of the axis; scatterAdd adds each source cell where its index says. */
export function emitIndexed(plan: MovePlan, inputs: readonly Layout[], layout: Layout): Emission {
  const { move, output } = plan;
  if (move.kind !== "gather" && move.kind !== "scatterAdd") return { temporaries: [], constants: [], steps: [] };
  const indexed = indexedOf(plan, move.axis, inputs, layout);
  const scatters = move.kind === "scatterAdd";
  const group = output.batched ? 1 : 0;
  const chunks: Chunks = { each: scatters ? 1 : indexed.count, group };
  const constants = indexed.others.flatMap(tablesOf);
  const places = JSON.stringify([indexed.from, indexed.of, indexed.to]);
  const routine: Routine = {
    key: `wasm-move-indexed | ${moveOperator.line(plan).replace(/ n\d+ /, " n ")} | ${places}`,
    build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => (scatters ? emitScatter : emitGather)(f, indexed)),
  };
  const operands: OperandRef[] = [
    { of: "input", index: 0, access: "read" },
    { of: "input", index: 1, access: "read" },
    { of: "output", index: 0, access: "write" },
    ...constants.map((_, i): OperandRef => ({ of: "constant", index: i, access: "read" })),
  ];
  return { temporaries: [], constants, steps: [{ routine, operands, chunks }] };
}
