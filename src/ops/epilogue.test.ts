import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../test/laws/isolated.ts";
import { random } from "../base/random.ts";
import { size, type TensorType } from "../base/types.ts";
import type { FunctionBuilder } from "../emit/wasm/function.ts";
import { advance, forRange } from "../emit/wasm/vectors.ts";
import { type Algorithm, call, constant, type Device, type Fusion, type Layout, operand } from "./contract.ts";
import { planEpilogue } from "./epilogue.ts";
import { blockedLayout, place, plainLayout, printLayout } from "./layout.ts";
import { pointwiseOperator } from "./pointwise/index.ts";
import { type PointwisePlan, planPointwise } from "./pointwise/plan.ts";
import { operandLayout } from "./reading.ts";
import { divide, emitCoordinates, emitUnits } from "./units.ts";

const device: Device = { tier: "relaxed", fma: true, wide: false };

/** Copies its operand row by row: the smallest producer that has a fusion. */
const copier = (block: number): Algorithm<PointwisePlan> => ({
  id: "copy",
  operator: "pointwise",
  layouts: () => [],
  refuses: () => null,
  estimate: () => 0,
  emit: ({ output }, buffers, fusion) => {
    const [source, target] = [place(output, buffers.inputs[0]), place(output, buffers.outputs[0])];
    const epilogue = planEpilogue(fusion, output, buffers.outputs[0], buffers.operands, "zero");
    const rows = target.extents.slice(0, -1);
    const row = target.extents.at(-1) ?? 1;
    const division = divide(true, target.blocks * size(rows), 100);
    const build = (f: FunctionBuilder): void => {
      const code = epilogue.begin(f, 2, device.fma);
      const [from, to, at, example] = f.locals("i32", 4);
      emitUnits(f, division, {
        example: (index) => f.get(index ?? at).set(example),
        unit: (unit) => {
          const [number, ...cells] = emitCoordinates(f, unit, [target.blocks, ...rows]);
          for (const [pointer, place, position] of [
            [from, source, 0],
            [to, target, 1],
          ] as const) {
            f.get(f.parameters[0])
              .memory("i32.load", 4 * position)
              .i32(4 * place.origin)
              .op("i32.add");
            f.get(example)
              .i32(4 * place.exampleStride)
              .op("i32.mul", "i32.add");
            f.get(number)
              .i32(4 * place.blockStride)
              .op("i32.mul", "i32.add");
            cells.forEach((cell, axis) =>
              f
                .get(cell)
                .i32(4 * place.strides[axis])
                .op("i32.mul", "i32.add"),
            );
            f.set(pointer);
          }
          code.prepare({ example: () => f.get(example), block: () => f.get(number), cells: cells.map((cell) => () => void f.get(cell)) });
          const step = block === 1 ? 4 : 1;
          forRange(f, at, 0, row, step, () => {
            for (let part = 0; part < Math.max(1, block / 4); part++) {
              f.get(to);
              code.apply(() => f.get(from).memory("v128.load", 16 * part), 0, part);
              if (block > 1) f.memory("v128.store", 16 * part);
              // rows of this test are whole vectors, or one cell
              else if (row === 1) f.laneMemory("v128.store32_lane", 0);
              else f.memory("v128.store");
            }
            advance(f, from, 4 * block * step);
            advance(f, to, 4 * block * step);
            code.advance(step);
          });
        },
      });
    };
    return {
      temporaries: [],
      constants: [],
      steps: [
        {
          routine: {
            key: `copy b${block} ${output.shape.join("x")} ${[...buffers.inputs, ...buffers.outputs].map(printLayout).join(" ")} ${epilogue.key}`,
            build: (module) => module.function(["i32", "i32", "i32", "i32"], [], build),
          },
          operands: [
            { of: "input", index: 0, access: "read" },
            { of: "output", index: 0, access: "write" },
            ...buffers.operands.map((_, index) => ({ of: "operand" as const, index, access: "read" as const })),
          ],
          chunks: division.chunks,
        },
      ],
    };
  },
});

test("epilogues read scalars, channels, rows and full operands beside plain and blocked results", () => {
  const draws = random(3);
  const type = (shape: number[], batched = false, dtype: TensorType["dtype"] = "f32"): TensorType => ({ dtype, shape, batched });
  for (let round = 0; round < 60; round++) {
    const [channels, height, width] = [draws.pick([1, 5, 8, 16, 19]), draws.pick([1, 3]), draws.pick([4, 8])];
    const output = type([2, channels, height, width], true);
    const choices = [
      type([]),
      type([channels, 1, 1]),
      type([2, channels, 1, 1], true),
      output,
      type([2, 1, height, width], true),
      type([channels, height, width]),
      type([1], false, "i32"),
    ];
    const operands = [draws.pick(choices), draws.pick(choices)];
    const epilogue = draws.pick([
      call("relu", call("add", call("multiply", operand(0), operand(1)), operand(2))),
      call("add", operand(2), call("max", operand(0), constant(1))),
      call("multiply", operand(0), operand(1)),
    ]);
    const fusion: Fusion = { epilogue, operands };
    const block = draws.pick([1, 8, 16]);
    const layouts = operands.map((operand) => (block === 1 ? plainLayout : operandLayout(operand, output, block)));
    if (layouts.some((layout) => layout === null)) continue;
    const halo = [
      { low: 1, high: 0 },
      { low: 2, high: 1 },
    ];
    const haloed = (layouts as Layout[]).map((layout, i) =>
      draws.uniform() < 0.5 && operands[i].batched ? { ...layout, halo, fill: Number.NaN } : layout,
    );
    const plan = planPointwise({ expression: operand(0) }, [output]);
    const inputs = [output, ...operands].map((operand) => Float64Array.from({ length: size(operand.shape) }, () => draws.integer(-4, 4)));
    const { outputs, damage } = runAlone({
      operator: pointwiseOperator,
      algorithm: copier(block),
      plan,
      device,
      inputs,
      fusion,
      choice: { inputs: [{ ...(block === 1 ? plainLayout : blockedLayout(block)) }], operands: haloed, outputs: [block] },
      outputHalo: { low: 1, high: 1, fill: 7 },
    });
    const [expected] = pointwiseOperator.reference(planPointwise({ expression: epilogue }, [output, ...operands]), inputs);
    const text = `${pointwiseOperator.line(planPointwise({ expression: epilogue }, [output, ...operands]))} in b${block} ${haloed.map(printLayout).join(" ")}`;
    assert.deepEqual(damage, [], text);
    assert.deepEqual([...outputs[0]], [...expected], text);
  }
});

test("a repeated row and a blocked operand of another kind are refused with a sentence", () => {
  const output: TensorType = { dtype: "f32", shape: [2, 8, 6, 6], batched: true };
  const tiled: Fusion = { epilogue: call("add", operand(0), operand(1)), operands: [{ dtype: "f32", shape: [8, 3, 3], batched: false }] };
  assert.match(planEpilogue(tiled, output, plainLayout, [plainLayout]).refusal ?? "", /repeats along the rows/);
  assert.match(planEpilogue(tiled, output, blockedLayout(8), [plainLayout]).refusal ?? "", /not in blocks of 8 channels/);
});
