import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGradients, checkOperator, evaluate, inputsOf, normals, outputs } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { random } from "../../base/random.ts";
import { printType, tensorType } from "../../base/types.ts";
import { gradients } from "../../graph/differentiate.ts";
import type { GraphTracer } from "../../graph/trace.ts";
import { call, constant, operand, type Value } from "../contract.ts";
import { parseExpression } from "../expression/print.ts";
import { sum } from "../reduce/index.ts";
import { broadcastLike, pointwise, pointwiseOperator, relu, where } from "./index.ts";
import type { PointwisePlan } from "./plan.ts";

const optionsOf = ({ expression, tile }: PointwisePlan) => (tile ? { expression, tile } : { expression });
const nodesOf = (value: Value, name: string): number =>
  (value.graph as GraphTracer).nodes.filter((node) => node.operator.name === name).length;

test("a bias of any sharing scheme", () => {
  const x = tensorType([2, 1, 3], true);
  const add = call("add", operand(0), operand(1));
  const cells = [0, 10, 20, 30, 40, 50];
  const run = (shape: readonly number[], bias: readonly number[], tile = false): number[] => [
    ...outputs(([a, b]) => [pointwise(add, [a, b], { tile })], [x, tensorType(shape)], [cells, bias])[0],
  ];
  assert.deepEqual(run([1, 1], [5]), [5, 15, 25, 35, 45, 55], "per channel");
  assert.deepEqual(run([1, 2], [1, 2], true), [1, 12, 21, 31, 42, 51], "tiled");
  assert.deepEqual(run([3], [1, 2, 3]), [1, 12, 23, 31, 42, 53], "per location");
});

test("lines, types, oracle and gradients of problems and samples", () => {
  const draws = random(11);
  const plans = [
    ...problemPlans("pointwise", pointwiseOperator, 400),
    ...Array.from({ length: 60 }, () => pointwiseOperator.sample(draws)),
  ];
  plans.forEach((plan, seed) => {
    checkOperator(pointwiseOperator, plan, optionsOf, (own, stream) => normals(own.operands, stream), seed);
  });
});

test("equal operands become one, needless ones go, and one operand alone is itself", () => {
  const [x, y] = inputsOf([tensorType([4, 3], true), tensorType([3])]);
  const squared = pointwise(parseExpression("add(multiply(0,1),#0)"), [x, x]);
  const tracer = x.graph as GraphTracer;
  assert.equal(pointwiseOperator.line(tracer.nodes[0].plan as PointwisePlan), "pointwise n4 | nx3 | multiply(0,0)");
  assert.equal(pointwise(parseExpression("0"), [x, y]), x);
  assert.equal(pointwise(parseExpression("exp(0)"), [x, y]), pointwise(call("exp", operand(0)), [x]), "y gives no shape");
  assert.equal(printType(pointwise(parseExpression("exp(1)"), [x, y]).type), "[n<=4,3]", "x gives the shape");
  assert.equal(printType(broadcastLike(y, squared).type), "[n<=4,3]");
});

test("the gradients of a normalisation are two sums and factors", () => {
  const channels = tensorType([5, 1, 1]);
  const types = [tensorType([3, 5, 2, 4], true), channels, channels, channels, channels, tensorType([3, 5, 2, 4], true)];
  const normalise = parseExpression("add(multiply(multiply(subtract(0,1),rsqrt(add(2,#0.001))),3),4)");
  const [x, mean, variance, scale, shift, g] = inputsOf(types);
  const loss = sum(pointwise(call("multiply", operand(0), operand(1)), [pointwise(normalise, [x, mean, variance, scale, shift]), g]));
  const before = nodesOf(loss, "reduce");
  gradients(loss, [mean, variance, scale, shift]);
  assert.equal(nodesOf(loss, "reduce") - before, 2);
  const cells = normals(types, random(3)).map((own, i) => (i === 2 ? own.map(Math.abs) : own));
  checkGradients({
    build: ([v, m, s, c, b]) => [pointwise(normalise, [v, m, s, c, b])],
    types: types.slice(0, 5),
    cells: cells.slice(0, 5),
    name: "normalisation",
  });
});

test("a sum that another operand varies over stays inside", () => {
  const types = [tensorType([2, 6], true), tensorType([2]), tensorType([3])];
  const build = ([x, a, b]: readonly Value[]): Value[] => [
    pointwise(parseExpression("multiply(multiply(0,1),2)"), [x, a, b], { tile: true }),
  ];
  checkGradients({ build, types, cells: normals(types, random(5)), name: "periods 2 and 3" });
});

test("slope 0 of a constant selection, and the gradient of where", () => {
  const [x] = inputsOf([tensorType([3])]);
  const [slope] = gradients(sum(where(x, relu(x), 7)), [x]);
  assert.ok(slope !== null);
  assert.deepEqual([...evaluate([slope], { x0: [-1, 0, 2] })[0]], [0, 0, 1]);
  assert.deepEqual(gradients(sum(pointwise(call("floor", operand(0)), [x])), [x]), [null]);
});

test("bad input is named with its numbers", () => {
  const plan = (text: string, types: readonly string[], tile = false): void =>
    void pointwiseOperator.plan(
      { expression: parseExpression(text), tile },
      pointwiseOperator.inputs(pointwiseOperator.parse(`pointwise n4 tile | ${types.join(",")} | 0`)),
    );
  const wrong = (text: string, types: readonly string[], message: RegExp): void =>
    assert.throws(() => plan(text, types), { name: "ToeplitzError", message });
  wrong(
    "add(0,1)",
    ["3x4", "2"],
    /^pointwise\(\[3,4\] \[2\]\): operand 1: expected extent 1 or 4 on axis 1 of the result; received \[2\]\. Only a tiled operand \(option tile\) repeats\.$/,
  );
  wrong("relo(0)", ["3"], /formula: expected a function of the table; received relo\. Known: add, /);
  wrong("relu(0,1)", ["3", "3"], /formula: expected 1 inputs of relu; received 2\.$/);
  wrong("add(0,2)", ["3", "3"], /formula: expected operands 0 to 1; received 2\.$/);
  assert.throws(() => plan("add(0,1)", ["nx3", "nx5x3"]), /operand 0: expected 3 axes, as it is batched; received \[n<=4,3\]\. Reshape it/);
  assert.throws(
    () => pointwiseOperator.plan({ expression: operand(0) }, [tensorType([4, 3], true), tensorType([4, 3])]),
    /operand 1: expected no example axis, or extent 1 there, as it is not batched; received \[4,3\]\.$/,
  );
  assert.throws(
    () => pointwiseOperator.plan({ expression: operand(0) }, [tensorType([4, 3], true), tensorType([5, 3], true)]),
    /operand 0: expected 5 examples, as another operand; received \[n<=4,3\]\.$/,
  );
  assert.throws(
    () => pointwiseOperator.plan({ expression: constant(Number.POSITIVE_INFINITY) }, [tensorType([1])]),
    /formula: expected finite constants; received Infinity\.$/,
  );
  assert.throws(() => pointwiseOperator.plan({ expression: constant(1) }, []), /operands: expected >= 1; received 0\.$/);
  assert.throws(
    () => pointwiseOperator.parse("pointwise n4 | nx3"),
    /problem line: expected `pointwise n4 \| nx3x5,3x1 \| relu\(add\(0,1\)\)`; received `pointwise n4 \| nx3`\.$/,
  );
  assert.throws(() => relu(3 as unknown as Value), /relu: operands: expected at least one value; received 3/);
});
