import { size } from "../../base/types.ts";
import type { FunctionBuilder } from "../../emit/wasm/function.ts";
import type { Algorithm, OperandRef, Routine } from "../contract.ts";
import { type Placement, place, plainLayout, printLayout } from "../layout.ts";
import { addScaled, type Division, divide, emitCoordinates, emitUnits } from "../units.ts";
import { argument } from "./code.ts";
import { type WholePlan, wholeOperator } from "./whole.ts";

/** One number at a time: tables are small. */
export const plainWhole: Algorithm<WholePlan> = {
  id: "wasm-whole-plain",
  operator: "whole",
  layouts: (_, fusion) => (fusion === null ? [{ inputs: [plainLayout], operands: [], outputs: [1] }] : []),
  refuses: () => null,
  estimate: ({ input }) => 300 + 2 * size(input.shape),
  emit: (plan, buffers) => {
    const [from, to] = [place(plan.input, buffers.inputs[0]), place(plan.input, buffers.outputs[0])];
    const division = divide(plan.input.batched, from.channels * size(from.extents), 2);
    const layouts = [...buffers.inputs, ...buffers.outputs].map(printLayout).join(" ");
    const routine: Routine = {
      key: `wasm-whole-plain | ${wholeOperator.line(plan)} | ${layouts}`,
      build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitWhole(f, division, [from, to])),
    };
    const operands: OperandRef[] = [
      { of: "input", index: 0, access: "read" },
      { of: "output", index: 0, access: "write" },
    ];
    return { temporaries: [], constants: [], steps: [{ routine, operands, chunks: division.chunks }] };
  },
};

function emitWhole(f: FunctionBuilder, division: Division, places: readonly Placement[]): void {
  const given = places.map((_, i) => argument(f, i));
  const bases = f.locals("i32", places.length);
  const [{ channels, extents }] = places;
  emitUnits(f, division, {
    example: (example) =>
      places.forEach((at, i) => {
        f.get(given[i])
          .i32(4 * at.origin)
          .op("i32.add");
        if (example !== null) addScaled(f, example, 4 * at.exampleStride);
        f.set(bases[i]);
      }),
    unit: (unit) => {
      const cell = emitCoordinates(f, unit, [channels, ...extents]);
      const address = (i: number): void => {
        f.get(bases[i]);
        [places[i].blockStride, ...places[i].strides].forEach((step, axis) => {
          addScaled(f, cell[axis], 4 * step);
        });
      };
      address(1);
      address(0);
      f.memory("f32.load").op("i32.trunc_sat_f32_s").memory("i32.store");
    },
  });
}
