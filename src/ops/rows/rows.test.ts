import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOperator, normals } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { random } from "../../base/random.ts";
import { operatorOfLine } from "../index.ts";
import { rowsOperator } from "./index.ts";
import { passesOf } from "./passes.ts";

const softmax = "max 0; sum exp(subtract(0,1)) | cells divide(exp(subtract(0,1)),2)";
const near = (found: Float64Array, expected: readonly number[]): void =>
  found.forEach((cell, i) => {
    assert.ok(Math.abs(cell - expected[i]) < 1e-6, `cell ${i}: ${cell}, expected ${expected[i]}`);
  });

test("softmax of two rows, by hand", () => {
  const [shares] = rowsOperator.reference(rowsOperator.parse(`rows n2 axis1 | nx2 | ${softmax}`), [
    Float64Array.of(0, Math.log(3), 1000, 1000),
  ]);
  near(shares, [0.25, 0.75, 0.5, 0.5]);
});

test("cross-entropy and its gradient: log of the share, and shares less one at the label", () => {
  const line =
    "rows n1 axis1 | nx2x1,i32:nx1x1,2x1 | max 0; sum exp(subtract(0,3)); sum select(equal(1,2),subtract(log(4),subtract(0,3)),#0) | rows 5; cells subtract(divide(exp(subtract(0,3)),4),equal(1,2))";
  const [loss, gradient] = rowsOperator.reference(rowsOperator.parse(line), [
    Float64Array.of(0, Math.log(3)),
    Float64Array.of(0),
    Float64Array.of(0, 1),
  ]);
  near(loss, [Math.log(4)]);
  near(gradient, [-0.75, 0.75]);
});

test("gradients are slopes, through sums and maxima", () => {
  const plans = [
    ...problemPlans("rows", rowsOperator).filter((plan) => rowsOperator.cost(plan).multiplyAdds < 1500),
    ...Array.from({ length: 10 }, (_, seed) => rowsOperator.sample(random(seed, 3))).filter(
      (plan) => rowsOperator.cost(plan).multiplyAdds < 1500,
    ),
  ];
  for (const plan of plans) {
    const { axis, folds, results } = plan;
    checkOperator(
      rowsOperator,
      plan,
      () => ({ axis, folds, results }),
      (own, draws) => normals(rowsOperator.inputs(own), draws),
      5,
    );
  }
});

test("a fold is made in the first pass that has what it reads, and slow values of cells are kept", () => {
  const plan = rowsOperator.parse(
    "rows n2 axis1 | nx5,nx1,5 | max 0; sum exp(subtract(0,3)); sum multiply(2,exp(subtract(0,3))); sum multiply(0,1) | cells divide(exp(subtract(0,3)),4); rows log(4)",
  );
  const { passes, kept, rows } = passesOf(plan);
  assert.deepEqual(
    passes.map(({ made }) => made.map(({ index }) => index)),
    [[0, 3], [1, 2], [0]],
  );
  assert.equal(kept, 1);
  assert.equal(rows.length, 1);
});

test("what is wrong is said with its numbers", () => {
  const parse = (line: string) => (): unknown => operatorOfLine(line)?.parse(line);
  assert.throws(parse("rows n2 axis0 | nx3 | max 0 | rows 1"), /rows: axis: expected 1 to 1; received 0\. Rows lie within an example\./);
  assert.throws(
    parse("rows n2 axis1 | nx3 | max 0 | rows subtract(0,1)"),
    /result of rows: expected operands with extent 1 along the row, or folds; received operand 0\./,
  );
  assert.throws(parse("rows n2 axis1 | nx3 | sum 1 | rows 1"), /operands 0 to 0; received 1/);
  assert.throws(parse("rows n2 | nx3"), /problem line: expected `rows n4 axis1/);
});
