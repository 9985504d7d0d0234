import { size } from "../../src/base/types.ts";
import { whileBelow } from "../../src/emit/wasm/vectors.ts";
import type { Algorithm } from "../../src/ops/contract.ts";
import { plainLayout } from "../../src/ops/layout.ts";
import type { MomentsPlan } from "../../src/ops/reduce/index.ts";

/** Var = E[x^2] - E[x]^2 in f32, over all cells of a value that is no batch: cancels where the mean is large. */
const textbook: Algorithm<MomentsPlan> = {
  id: "planted-moments-textbook",
  operator: "moments",
  layouts: ({ input, output }) =>
    input.batched || size(output.shape) > 1 ? [] : [{ inputs: [plainLayout], operands: [], outputs: [1, 1] }],
  refuses: () => null,
  estimate: () => 1,
  emit: ({ input }) => ({
    temporaries: [],
    constants: [],
    steps: [
      {
        routine: {
          key: `planted-moments-textbook | ${size(input.shape)}`,
          build: (module) =>
            module.function(["i32", "i32", "i32", "i32"], [], (f) => {
              const [at, end, result] = f.locals("i32", 3);
              const [sum, squares, cell] = f.locals("f32", 3);
              const count = size(input.shape);
              f.get(f.parameters[0])
                .memory("i32.load", 0)
                .tee(at)
                .i32(4 * count)
                .op("i32.add")
                .set(end);
              whileBelow(f, at, end, 4, () => {
                f.get(at).memory("f32.load").tee(cell).get(sum).op("f32.add").set(sum);
                f.get(cell).get(cell).op("f32.mul").get(squares).op("f32.add").set(squares);
              });
              const mean = (): void =>
                void f
                  .get(sum)
                  .f32(1 / count)
                  .op("f32.mul");
              f.get(f.parameters[0]).memory("i32.load", 4).set(result);
              f.get(result);
              mean();
              f.memory("f32.store").get(f.parameters[0]).memory("i32.load", 8).set(result);
              f.get(result)
                .get(squares)
                .f32(1 / count)
                .op("f32.mul");
              mean();
              mean();
              f.op("f32.mul", "f32.sub").memory("f32.store");
            }),
        },
        operands: [
          { of: "input", index: 0, access: "read" },
          { of: "output", index: 0, access: "write" },
          { of: "output", index: 1, access: "write" },
        ],
        chunks: { each: 1, group: 0 },
      },
    ],
  }),
};

export const textbookVariance = textbook as Algorithm;
