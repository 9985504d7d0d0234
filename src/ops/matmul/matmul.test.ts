import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOperator, normals, outputs } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { random } from "../../base/random.ts";
import { tensorType } from "../../base/types.ts";
import { type MatmulOptions, matmul, matmulOperator } from "./index.ts";

test("worked examples: dense layer, its kernel gradient, matrices of examples", () => {
  const run = (
    options: Partial<MatmulOptions>,
    a: readonly number[],
    b: readonly number[],
    shapes: readonly (readonly [readonly number[], boolean])[],
  ): number[] => [
    ...outputs(
      ([left, right]) => [matmul(left, right, options)],
      shapes.map(([shape, batched]) => tensorType(shape, batched)),
      [a, b],
    )[0],
  ];
  assert.deepEqual(
    run(
      {},
      [1, 2, 3, 4],
      [5, 6],
      [
        [[2, 2], true],
        [[2, 1], false],
      ],
    ),
    [17, 39],
  );
  assert.deepEqual(
    run(
      { transposeB: true },
      [1, 2, 3, 4],
      [5, 6],
      [
        [[2, 2], true],
        [[1, 2], false],
      ],
    ),
    [17, 39],
  );
  assert.deepEqual(
    run(
      { transposeA: true },
      [1, 2, 3, 4],
      [5, 6],
      [
        [[2, 2], true],
        [[2, 1], true],
      ],
    ),
    [23, 34],
  );
  assert.deepEqual(
    run(
      {},
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [
        [[2, 1, 2], true],
        [[2, 2, 1], true],
      ],
    ),
    [17, 53],
  );
  assert.deepEqual(
    run(
      {},
      [1, 2],
      [5, 6, 7, 8],
      [
        [[1, 2], false],
        [[2, 2, 1], true],
      ],
    ),
    [17, 23],
  );
});

test("where the examples are", () => {
  const place = (line: string): string => {
    const { examples, output } = matmulOperator.parse(line);
    return `${examples} ${output.batched}`;
  };
  assert.equal(place("matmul n5 | nx7,7x3"), "rows true");
  assert.equal(place("matmul ta n8 | nx3,nx5"), "inner false");
  assert.equal(place("matmul n3 | nx4x5,nx5x6"), "leading true");
  assert.equal(place("matmul n3 | 4x5,nx5x6"), "leading true");
  assert.equal(place("matmul | 2x3,3x4"), "none false");
});

test("lines, types, oracle and gradients of problems and samples", () => {
  const draws = random(8);
  for (const plan of [...problemPlans("matmul", matmulOperator, 400), ...Array.from({ length: 40 }, () => matmulOperator.sample(draws))]) {
    checkOperator(
      matmulOperator,
      plan,
      ({ transposeA, transposeB }) => ({ transposeA, transposeB }),
      (own, stream) => normals([own.a, own.b], stream),
      5,
    );
  }
});

test("bad input is named with its numbers", () => {
  const wrong = (line: string, message: RegExp): void =>
    assert.throws(() => matmulOperator.parse(line), { name: "ToeplitzError", message });
  wrong("matmul | 2x3,4x5", /^matmul\(\[2,3\] \[4,5\]\): inner extents: expected the same, 3 of A; received 4\.$/);
  wrong("matmul | 3,3x4", /inputs: expected 2 of f32 with at least 2 axes; received \[3\] \[3,4\]\. Reshape them\.$/);
  wrong("matmul | 2x4x5,3x5x6", /leading axes: expected those of A \[2\], or none; received \[3\]\.$/);
  wrong("matmul n4 | 2x3,nx3", /inner extents/);
  wrong(
    "matmul tb n4 | 2x3,nx3",
    /example axis of B: expected a leading or the inner axis; received the columns\. The example axis can be a leading axis, the rows of A, or the inner axis of both\.$/,
  );
  wrong("matmul ta n4 | nx3,4x5", /example axis: expected the inner axis of both or of none; received inner of A, none of B\./);
  wrong("matmul n4 | nx3,nx3x2", /leading axes of B: expected none, as the rows of A are the examples; received \[4\]\./);
});
