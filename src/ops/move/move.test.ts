import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGradients, checkOperator, evaluate, inputsOf, normals, outputs } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { type Random, random } from "../../base/random.ts";
import { printType, size, type TensorType, tensorType } from "../../base/types.ts";
import type { Value } from "../contract.ts";
import * as move from "./index.ts";
import { type MovePlan, moveOperator } from "./index.ts";

const x = tensorType([2, 2, 3], true);
const cells = [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60];
const run = (make: (value: Value) => Value, type = x, given = cells): { type: string; cells: number[] } => {
  const [value] = inputsOf([type]);
  const made = make(value);
  return { type: printType(made.type), cells: [...evaluate([made], { x0: given })[0]] };
};

test("reshape, flatten and transpose", () => {
  assert.deepEqual(
    run((v) => move.reshape(v, [3, -1])),
    { type: "[n<=2,3,2]", cells },
  );
  assert.deepEqual(
    run((v) => move.flatten(v)),
    { type: "[n<=2,6]", cells },
  );
  assert.deepEqual(
    run((v) => move.transpose(v, [0, 2, 1])),
    { type: "[n<=2,3,2]", cells: [1, 4, 2, 5, 3, 6, 10, 40, 20, 50, 30, 60] },
  );
});

test("slice, flip, crop, pad and upsample", () => {
  assert.deepEqual(
    run((v) => move.slice(v, 2, 1)),
    { type: "[n<=2,2,2]", cells: [2, 3, 5, 6, 20, 30, 50, 60] },
  );
  assert.deepEqual(run((v) => move.slice(v, -1, 0, 3, 2)).cells, [1, 3, 4, 6, 10, 30, 40, 60]);
  assert.deepEqual(run((v) => move.slice(v, 1, -1)).cells, [4, 5, 6, 40, 50, 60]);
  assert.deepEqual(run((v) => move.flip(v, [1, 2])).cells, [6, 5, 4, 3, 2, 1, 60, 50, 40, 30, 20, 10]);
  assert.deepEqual(run((v) => move.crop(v, 1)).cells, [2, 5, 20, 50]);
  assert.deepEqual(
    run((v) => move.pad(v, [{ low: 1, high: 0 }], { fill: 7 })).cells,
    [7, 1, 2, 3, 7, 4, 5, 6, 7, 10, 20, 30, 7, 40, 50, 60],
  );
  const line = tensorType([1, 3]);
  const padded = (border: "wrap" | "reflect" | "replicate"): number[] => run((v) => move.pad(v, 2, { border }), line, [1, 2, 3]).cells;
  assert.deepEqual(padded("wrap"), [2, 3, 1, 2, 3, 1, 2]);
  assert.deepEqual(padded("reflect"), [3, 2, 1, 2, 3, 2, 1]);
  assert.deepEqual(padded("replicate"), [1, 1, 1, 2, 3, 3, 3]);
  assert.deepEqual(
    run((v) => move.upsample(v, 2), tensorType([1, 2, 2]), [1, 2, 3, 4]).cells,
    [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4],
  );
});

test("pixelShuffle lays channels out as cells", () => {
  const made = run((v) => move.pixelShuffle(v, 2), tensorType([1, 4, 1, 2], true), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(made, { type: "[n<=1,1,2,4]", cells: [1, 3, 2, 4, 5, 7, 6, 8] });
  assert.deepEqual(
    run((v) => move.pixelShuffle(v, 3), tensorType([3, 2]), [1, 2, 3, 4, 5, 6]),
    { type: "[1,6]", cells: [1, 3, 5, 2, 4, 6] },
  );
});

test("concat, gather and one-hot", () => {
  const types = [x, tensorType([2, 1, 3], true)];
  assert.deepEqual(
    [...outputs(([a, b]) => [move.concat([a, b])], types, [cells, [7, 8, 9, 70, 80, 90]])[0]],
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90],
  );
  const index = tensorType([2], false, "i32");
  assert.deepEqual([...outputs(([v, i]) => [move.gather(v, i, 2)], [x, index], [cells, [2, 0]])[0]], [3, 1, 6, 4, 30, 10, 60, 40]);
  const own = tensorType([2, 1], true, "i32");
  assert.deepEqual(
    [...outputs(([v, i]) => [move.gather(v, i, 1)], [x, own], [cells, [1, 0]])[0]],
    [4, 5, 6, 10, 20, 30],
    "one index for each example",
  );
  assert.deepEqual(
    [
      ...outputs(
        ([v, i]) => [move.gather(v, i, 0)],
        [tensorType([3, 2]), own],
        [
          [1, 2, 3, 4, 5, 6],
          [2, 3],
        ],
      )[0],
    ],
    [5, 6, 0, 0],
    "a table, and an index beyond it",
  );
  const labels = tensorType([3], true, "i32");
  assert.deepEqual([...outputs(([i]) => [move.oneHot(i, 3)], [labels], [[2, 0, 5]])[0]], [0, 0, 1, 1, 0, 0, 0, 0, 0]);
  const pixels = tensorType([1, 2], true, "i32");
  assert.deepEqual([...outputs(([i]) => [move.oneHot(i, 3)], [pixels], [[2, 0]])[0]], [0, 1, 0, 0, 1, 0], "the new axis is the channels");
});

const draw = ({ move: options, inputs }: MovePlan, stream: Random): Float64Array[] =>
  inputs.map((type: TensorType, i) => {
    const extent =
      options.kind === "gather"
        ? inputs[0].shape[options.axis + (inputs[0].batched ? 1 : 0)]
        : options.kind === "scatterAdd"
          ? options.extent
          : 0;
    return i === 1 && type.dtype === "i32"
      ? Float64Array.from({ length: size(type.shape) }, () => stream.integer(-1, extent))
      : normals([type], stream)[0];
  });

test("lines, types, oracle and gradients of problems and samples", () => {
  const draws = random(8);
  for (const plan of [...problemPlans("move", moveOperator, 400), ...Array.from({ length: 50 }, () => moveOperator.sample(draws))])
    checkOperator(moveOperator, plan, (own) => own.move, draw, 5);
});

test("a plan says when nothing moves", () => {
  const alias = (line: string): boolean | undefined => moveOperator.alias?.(moveOperator.parse(line));
  assert.equal(alias("move reshape n2 | nx3x4 | 12"), true);
  assert.equal(alias("move transpose n2 | nx1x4x1 | 1x0x2"), true);
  assert.equal(alias("move transpose n2 | nx3x4 | 1x0"), false);
  assert.equal(alias("move remap n2 | nx3 | fill 0 3>3@0*1/1:zero"), false);
});

test("gradients through functions, also of what maps one cell to many", () => {
  const types = [tensorType([2, 4, 5, 3], true)];
  const make: Record<string, (v: Value) => Value> = {
    wrap: (v) => move.pad(v, [{ low: 7, high: 4 }, 2], { border: "wrap" }),
    reflect: (v) => move.pad(v, 2, { border: "reflect" }),
    upsample: (v) => move.upsample(v, [2, 3]),
    shuffle: (v) => move.pixelShuffle(v, 2),
    concat: (v) => move.concat([v, move.flip(v, 2), v], 2),
  };
  for (const [name, build] of Object.entries(make))
    checkGradients({ build: ([v]) => [build(v)], types, cells: normals(types, random(3)), name });
});

test("bad input is named with its numbers", () => {
  const wrong = (make: (v: Value) => Value, message: RegExp): void => assert.throws(() => run(make), { name: "ToeplitzError", message });
  wrong(
    (v) => move.reshape(v, [4, 2]),
    /^move\(reshape \[n<=2,2,3\]\): shape: expected extents >= 1 of 6 = 2 x 3 cells; received 8 = 4 x 2\.$/,
  );
  wrong((v) => move.reshape(v, [4, -1]), /received 6 = 4 x 1\.5\.$/);
  wrong((v) => move.transpose(v, [1, 0, 2]), /^transpose\(\[n<=2,2,3\]\): order: expected 0, the example axis, first; received \[1,0,2\]/);
  wrong((v) => move.transpose(v, [0, 1, 1]), /order: expected each of the 2 axes after the example axis once; received \[0,0\]/);
  wrong(
    (v) => move.slice(v, 2, 2, 1),
    /^slice\(\[n<=2,2,3\]\): bounds on axis 2: expected at least one cell of 3, step >= 1; received 2 to 1, step 1\.$/,
  );
  wrong((v) => move.slice(v, 0, 1), /axis: expected one after the example axis; received 0/);
  wrong((v) => move.crop(v, [2]), /^crop\(\[n<=2,2,3\]\): margins: expected 0 to 2 cells of 3 in all; received 2 \+ 2\.$/);
  wrong((v) => move.pad(v, [1, 1, 1]), /margins: expected at most 2, for the last axes; received 3/);
  wrong((v) => move.pad(v, -1), /margins: expected cells >= 0; received -1, -1\. Use crop\./);
  wrong((v) => move.upsample(v, 1.5), /factors: expected 1 whole numbers >= 1, for the axes after the channels; received \[1\.5\]/);
  wrong((v) => move.pixelShuffle(v, 3), /^pixelShuffle\(\[n<=2,2,3\]\): channels: expected a multiple of 3\^1 = 3; received 2\.$/);
  wrong(
    (v) => move.concat([v, move.slice(v, 2, 1)], 1),
    /input 1: expected \[any,3\] batched, 2 examples; received \[2,2\] batched, 2 examples\.$/,
  );
  wrong((v) => move.gather(v, v, 1), /index: expected i32 with one axis after the example axis; received \[n<=2,2,3\]\.$/);
  wrong((v) => move.oneHot(v, 0), /depth: expected a whole number >= 1; received 0\.$/);
  assert.throws(
    () => moveOperator.parse("move turn n2 | nx3 | 1"),
    /kind: expected reshape, transpose, remap, unmap, concat, gather, scatterAdd; received turn\.$/,
  );
});
