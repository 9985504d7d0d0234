import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../base/random.ts";
import { call, constant, type Expression, operand } from "../contract.ts";
import { differentiateExpression, fromOutput } from "./differentiate.ts";
import { compile } from "./evaluate.ts";
import { parseExpression, printExpression } from "./print.ts";
import type { Row } from "./row.ts";
import { expand, schedule } from "./schedule.ts";
import { operandsOf, rowOf, simplify, substitute } from "./simplify.ts";
import { erf, erfc } from "./special.ts";
import { primitiveNames, table } from "./table.ts";

const callOf = (row: Row): Expression => call(row.name, ...Array.from({ length: row.arity }, (_, index) => operand(index)));
const read = (text: string): Expression => simplify(parseExpression(text));

/** The formula in primitives with every step rounded to f32. */
function roundedValue(expression: Expression): (operands: readonly number[]) => number {
  const steps = schedule(expand(expression));
  return (given) => {
    const values: number[] = [];
    for (const step of steps) {
      if (step.kind === "operand") values.push(given[step.index]);
      else if (step.kind === "constant") values.push(Math.fround(step.value));
      else values.push(Math.fround(rowOf(step.name).value(...step.inputs.map((input) => values[input]))));
    }
    return values[values.length - 1];
  };
}

test("every row expands into primitives and keeps its bound in f32", () => {
  for (const row of table.values()) {
    const draws = random(3);
    const rounded = roundedValue(callOf(row));
    for (const step of schedule(expand(callOf(row))))
      if (step.kind === "call") assert.ok(primitiveNames.includes(step.name), `${row.name} expands into ${step.name}`);
    for (let trial = 0; trial < 3000; trial++) {
      const given = row.domain.map(([low, high]) => Math.fround(low + (high - low) * draws.uniform()));
      const want = row.value(...given);
      const place = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(want), 2 ** -126))) - 23);
      const got = rounded(given);
      assert.ok(
        Math.abs(got - want) <= row.ulps * place,
        `${row.name}(${given.join(", ")}): expected ${want} within ${row.ulps} ulps; received ${got}`,
      );
    }
  }
});

test("slopes are the slopes, with and without the output", () => {
  for (const row of table.values()) {
    if (row.name === "stopGradient") continue;
    const draws = random(5);
    for (let index = 0; index < row.arity; index++) {
      const fromInputs = compile(differentiateExpression(callOf(row), index));
      const withOutput = compile(differentiateExpression(callOf(row), index, row.arity));
      for (let trial = 0; trial < 40; trial++) {
        const given = row.domain.map(([low, high]) => low + (high - low) * draws.uniform());
        const moved = (by: number): number => row.value(...given.map((value, i) => (i === index ? value + by : value)));
        const want = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        for (const got of [fromInputs(given), withOutput([...given, row.value(...given)])]) {
          assert.ok(
            Math.abs(got - want) <= 1e-7 * (1 + Math.abs(want) + Math.abs(moved(0))),
            `${row.name}, operand ${index}, at ${given.join(", ")}: expected ${want}; received ${got}`,
          );
        }
      }
    }
  }
  assert.equal(printExpression(differentiateExpression(call("stopGradient", operand(0)), 0)), "#0");
});

test("NaN goes through what takes all numbers", () => {
  for (const name of [
    "relu",
    "relu6",
    "leakyRelu",
    "clip",
    "hardTanh",
    "min",
    "max",
    "elu",
    "selu",
    "tanh",
    "sigmoid",
    "softplus",
    "gelu",
    "silu",
    "mish",
    "abs",
    "sign",
    "expm1",
    "hardSwish",
  ]) {
    const row = rowOf(name);
    const given = Array.from({ length: row.arity }, (_, index) => (index === 0 ? Number.NaN : index));
    assert.ok(Number.isNaN(row.value(...given)), name);
    assert.ok(Number.isNaN(roundedValue(callOf(row))(given)), `${name} in primitives`);
  }
  assert.ok(Number.isNaN(rowOf("max").value(1, Number.NaN)));
});

test("far arguments neither overflow nor become NaN", () => {
  const rounded = (text: string, x: number): number => roundedValue(parseExpression(text))([Math.fround(x)]);
  assert.equal(rounded("sigmoid(0)", -200), 0);
  assert.equal(rounded("sigmoid(0)", 200), 1);
  assert.equal(rounded("softplus(0)", 200), 200);
  assert.equal(rounded("softplus(0)", -200), 0);
  assert.equal(rounded("tanh(0)", 1e30), 1);
  assert.equal(rounded("tanh(0)", -1e30), -1);
  assert.equal(rounded("mish(0)", 1e10), Math.fround(1e10));
  assert.equal(rounded("geluTanh(0)", -1e5), -0);
  assert.equal(rounded("gelu(0)", 1e5), 1e5);
  assert.equal(rounded("log1p(0)", Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.equal(rounded("log1p(0)", 1e-20), Math.fround(1e-20));
  assert.equal(rounded("elu(0,#1)", -1e30), -1);
});

test("erf and erfc agree with tabled values", () => {
  const close = (got: number, want: number): void => assert.ok(Math.abs(got - want) <= 4e-15 * Math.abs(want), `${got} ${want}`);
  close(erf(0.5), 0.5204998778130465);
  close(erf(-2), -0.9953222650189527);
  close(erfc(1), 0.15729920705028513);
  close(erfc(2.5), 0.0004069520174449589);
  close(erfc(5), 1.5374597944280349e-12);
  close(erfc(-1), 1.8427007929497148);
});

test("what cannot be negative needs no cases for it; half exponents are products and a root", () => {
  const size = call("abs", operand(0));
  const calls = (formula: Expression): string[] => schedule(expand(formula)).flatMap((step) => (step.kind === "call" ? [step.name] : []));
  assert.deepEqual(calls(call("power", size, constant(2.3))), ["abs", "log", "multiply", "exp"]);
  assert.deepEqual(calls(call("abs", call("exp", operand(0)))), ["exp"]);
  assert.deepEqual(calls(call("power", size, constant(2.5))), ["abs", "multiply", "sqrt", "multiply"]);
  for (const y of [0.5, 1.5, 2.5, 7.5, -0.5, -1.5, -3.5])
    for (const x of [0, 0.3, 1, 7.1, 1e9, Number.POSITIVE_INFINITY]) {
      const [got, wanted] = [compile(expand(call("power", operand(0), constant(y))))([x]), x ** y];
      assert.ok(got === wanted || Math.abs(got / wanted - 1) < 1e-14, `${x}^${y}: ${got}`);
    }
  assert.ok(Number.isNaN(compile(expand(call("power", operand(0), constant(1.5))))([-2])));
});

test("power: whole exponents of either sign, roots, and the domain", () => {
  for (const [x, y] of [
    [-2, 3],
    [-2, -3],
    [3, 0],
    [4, 0.5],
    [4, -0.5],
    [-1.5, 11],
    [-1.5, -12],
    [0, 2.5],
    [2, 3.7],
  ]) {
    const want = x ** y;
    for (const formula of [call("power", operand(0), constant(y)), call("power", operand(0), operand(1))]) {
      const got = compile(expand(formula))([x, y]);
      assert.ok(Math.abs(got - want) <= 1e-13 * Math.abs(want), `${x}^${y} = ${want}; received ${got}`);
    }
  }
  assert.ok(Number.isNaN(compile(expand(call("power", operand(0), operand(1))))([-2, 0.5])));
});

test("text round-trips", () => {
  for (const text of ["0", "#-0.5", "relu(add(0,1))", "select(less(0,#1e-7),clip(12,#-1,#6),negate(3))", "#-0"])
    assert.equal(printExpression(parseExpression(text)), text);
  const wrong = (text: string, message: RegExp): void => assert.throws(() => parseExpression(text), { name: "ToeplitzError", message });
  wrong("relu(0", /^expression\(relu\(0\): character 7: expected , or \); received the end\.$/);
  wrong("relu 0", /character 5: expected \(; received {2}\.$/);
  wrong("add(0,)", /character 7: expected an operand number, a #constant or a function name; received \)\.$/);
  wrong("0,1", /character 2: expected the end; received ,\.$/);
  wrong("#x", /expected a number after #/);
});

test("simplify folds constants, drops neutral elements and makes masks selections", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["add(0,multiply(#2,#0))", "0"],
    ["multiply(0,#1)", "0"],
    ["multiply(#2,multiply(#3,0))", "multiply(#6,0)"],
    ["multiply(0,#-1)", "negate(0)"],
    ["subtract(#0,0)", "negate(0)"],
    ["add(0,negate(1))", "subtract(0,1)"],
    ["subtract(0,negate(1))", "add(0,1)"],
    ["multiply(0,reciprocal(1))", "divide(0,1)"],
    ["negate(negate(0))", "0"],
    ["multiply(less(0,1),2)", "select(less(0,1),2,#0)"],
    ["multiply(2,select(less(0,1),#0,#1))", "select(less(0,1),#0,2)"],
    ["add(select(0,1,#0),select(0,#0,2))", "select(0,1,2)"],
    ["select(#1,0,1)", "0"],
    ["select(0,1,1)", "1"],
    ["divide(#1,#0)", "divide(#1,#0)"],
    ["multiply(0,#0)", "multiply(#0,0)"],
  ];
  for (const [from, to] of cases) assert.equal(printExpression(read(from)), to, from);
});

test("a branch that is not taken has no slope, however steep it is", () => {
  const guarded = parseExpression("select(less(#0,0),sqrt(0),#0)");
  assert.equal(compile(differentiateExpression(guarded, 0))([-1]), 0);
  assert.equal(compile(differentiateExpression(guarded, 0))([0]), 0);
});

test("activations whose slope is a function of the output", () => {
  for (const name of [
    "relu",
    "relu6",
    "hardTanh",
    "hardSigmoid",
    "selu",
    "sigmoid",
    "tanh",
    "softplus",
    "logSigmoid",
    "exp",
    "sqrt",
    "rsqrt",
    "reciprocal",
  ])
    assert.ok(fromOutput(callOf(rowOf(name))), name);
  assert.ok(fromOutput(parseExpression("leakyRelu(0,#0.1)")));
  assert.ok(fromOutput(parseExpression("elu(0,#1)")));
  assert.ok(!fromOutput(parseExpression("leakyRelu(0,#-0.1)")), "with a negative slope the output's sign does not tell the input's");
  assert.ok(!fromOutput(parseExpression("silu(0)")));
});

test("substitute, operandsOf and schedule", () => {
  const sum = parseExpression("add(0,multiply(1,0))");
  assert.equal(printExpression(substitute(sum, 0, parseExpression("exp(2)"))), "add(exp(2),multiply(1,exp(2)))");
  assert.deepEqual(operandsOf(sum), [0, 1]);
  assert.equal(schedule(parseExpression("add(exp(0),multiply(exp(0),exp(0)))")).length, 4, "equal parts stand once");
});
