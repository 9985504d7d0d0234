import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, whileBelow } from "../../../emit/wasm/vectors.ts";
import type { OperandRef, StepSpec } from "../../contract.ts";
import type { Placement } from "../../layout.ts";
import { countDown } from "../tiles/panel.ts";

/** A function (source, target, table, cells): the cells that the table names, of so many examples side by side, zeros in the rest of a vector. */
const addGather = (module: ModuleBuilder, examples: number, exampleBytes: number, sideBytes: number): number =>
  module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [source, target, table, cells] = f.parameters;
    const at = f.local("i32");
    const vector = f.local("v128");
    f.f32x4(0).set(vector);
    countDown(f, cells, () => {
      f.get(table).memory("i32.load").get(source).op("i32.add").set(at);
      for (let lane = 0; lane < examples; lane++)
        f.get(at)
          .get(vector)
          .laneMemory("v128.load32_lane", lane, lane * exampleBytes)
          .set(vector);
      f.get(target).get(vector).memory("v128.store");
      advance(f, table, 4);
      advance(f, target, sideBytes);
    });
  });

/** The step that lays examples side by side: target[channel][table's cell][example], zeros behind the last; one chunk for each channel. */
export function spreadStep(
  at: Placement,
  cells: number,
  side: number,
  { source, target, table }: Record<"source" | "target" | "table", OperandRef>,
): StepSpec {
  const numbers = { cells, side, example: 4 * at.exampleStride, plane: 4 * at.blockStride };
  return {
    operands: [source, target, table],
    chunks: { each: at.channels, group: 0 },
    routine: {
      key: `grid-linear local spread | ${JSON.stringify(numbers)}`,
      build: (module) => {
        const gathers = Array.from({ length: 5 }, (_, examples) => addGather(module, examples, numbers.example, 4 * side));
        return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
          const [addresses, chunk, end, examples] = f.parameters;
          const [from, to, example, left] = f.locals("i32", 4);
          const word = (index: number): void => void f.get(addresses).memory("i32.load", 4 * index);
          whileBelow(f, chunk, end, 1, () => {
            word(0);
            f.get(chunk).i32(numbers.plane).op("i32.mul", "i32.add").set(from);
            word(1);
            f.get(chunk)
              .i32(4 * cells * side)
              .op("i32.mul", "i32.add")
              .set(to);
            f.i32(0).set(example);
            f.loop((again) => {
              f.get(examples).get(example).op("i32.sub").set(left);
              gathers.forEach((index, count) => {
                if (count === 0) f.get(left).i32(0).op("i32.le_s");
                else
                  f.get(left)
                    .i32(count)
                    .op(count === 4 ? "i32.ge_s" : "i32.eq");
                f.if(() => {
                  f.get(from).get(to);
                  word(2);
                  f.i32(cells).call(index);
                });
              });
              advance(f, from, 4 * numbers.example);
              advance(f, to, 16);
              advance(f, example, 4);
              f.get(example).i32(side).op("i32.lt_s").branchIf(again);
            });
          });
        });
      },
    },
  };
}
