import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../base/random.ts";
import { ModuleBuilder } from "../../emit/wasm/module.ts";
import { whileBelow } from "../../emit/wasm/vectors.ts";
import { call, constant, type Expression, operand } from "../contract.ts";
import { emitExpression, hoistConstants } from "./print-wasm.ts";
import type { Row } from "./row.ts";
import { table } from "./table.ts";
import { zeroAtZero } from "./zero-at-zero.ts";

const most = 1 << 20;

/** Runs a formula over arrays of equal length, as emitted code. */
function compile(
  expression: Expression,
  arity: number,
  fma: boolean,
  hoisted = false,
): (operands: readonly Float32Array[]) => Float32Array {
  const pages = Math.ceil(((arity + 1) * most * 4) / 65536) + 1;
  const builder = new ModuleBuilder({ minimum: pages, maximum: pages, shared: false });
  const index = builder.function(["i32", "i32"], [], (f) => {
    const [at, end] = f.parameters;
    const constants = hoisted ? hoistConstants(f, expression, fma) : undefined;
    whileBelow(f, at, end, 16, () => {
      f.get(at);
      emitExpression(f, expression, { vector: (i) => f.get(at).memory("v128.load", (i + 1) * most * 4), fma, constants });
      f.memory("v128.store");
    });
  });
  builder.export("run", index);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(builder.encode()), { env: { memory } });
  const floats = new Float32Array(memory.buffer);
  return (operands) => {
    const count = operands[0]?.length ?? 4;
    for (const [i, cells] of operands.entries()) floats.set(cells, (i + 1) * most);
    (instance.exports.run as (begin: number, end: number) => void)(0, count * 4);
    return floats.slice(0, count);
  };
}

/** Distance in units in the last place of the exact value (of 2^lowest below that). */
function ulps(found: number, exact: number, lowest = -126): number {
  if (Object.is(found, exact) || found === exact || (Number.isNaN(found) && Number.isNaN(exact))) return 0;
  if (!Number.isFinite(exact) || !Number.isFinite(found)) return Math.fround(exact) === found ? 0 : Number.POSITIVE_INFINITY;
  const exponent = Math.max(lowest, Math.floor(Math.log2(Math.abs(exact))));
  return Math.abs(found - exact) / 2 ** (exponent - 23);
}

function worst(
  row: Row,
  run: (operands: readonly Float32Array[]) => Float32Array,
  operands: readonly Float32Array[],
): { ulps: number; at: number[] } {
  const found = run(operands);
  let result = { ulps: 0, at: [] as number[] };
  for (let i = 0; i < found.length; i++) {
    const at = operands.map((cells) => cells[i]);
    // beside its zeros at multiples of pi, a circular function is as good as pi in 72 bits
    const distance = ulps(found[i], row.value(...at), row.name === "sin" || row.name === "cos" ? -22 : -126);
    if (distance > result.ulps) result = { ulps: distance, at };
  }
  return result;
}

const formula = (row: Row): Expression => call(row.name, ...Array.from({ length: row.arity }, (_, i) => operand(i)));

for (const fma of [true, false]) {
  test(`every function stays within its bound on its domain, ${fma ? "fused" : "separate"} multiply-add`, () => {
    for (const row of table.values()) {
      const draws = random(Number(fma), ...[...row.name].map((letter) => letter.charCodeAt(0)));
      const operands = row.domain.map(([low, high]) => Float32Array.from({ length: 40000 }, () => low + (high - low) * draws.uniform()));
      const { ulps: found, at } = worst(row, compile(formula(row), row.arity, fma), operands);
      assert.ok(found <= row.ulps, `${row.name}(${at.join(", ")}) is ${found} ulps off, at most ${row.ulps} allowed`);
    }
  });

  test(`exp and log keep their own bounds on a million numbers of every size, ${fma ? "fused" : "separate"} multiply-add`, () => {
    const exps = Float32Array.from({ length: most }, (_, i) => -87.3 + (i * 176) / most);
    const bits = Int32Array.from({ length: most }, (_, i) => 1 + Math.floor((i * 0x7f7ffffe) / most));
    const logs = new Float32Array(bits.buffer);
    for (const [name, cells, bound] of [
      ["exp", exps, 1.1],
      ["log", logs, 0.9],
    ] as const) {
      const row = table.get(name) as Row;
      const { ulps: found, at } = worst(row, compile(formula(row), 1, fma, true), [cells]);
      assert.ok(found <= bound, `${name}(${at.join(", ")}) is ${found} ulps off, at most ${bound} allowed`);
    }
  });
}

test("the logarithm of what is known to be a normal number has the same bits in fewer instructions", () => {
  const formulas = [2 ** -126, 1e-30, 0].map((least) => call("log", call("max", operand(0), constant(least))));
  const bits = Int32Array.from({ length: 65536 }, (_, i) => 0x00800000 + Math.floor((i * 0x7effffff) / 65536));
  const cells = new Float32Array(bits.buffer);
  cells.set([Number.POSITIVE_INFINITY, Number.NaN, 2 ** -126, -1, 0, Number.NEGATIVE_INFINITY, 1e-40, 3.4028234e38]);
  for (const fma of [true, false]) {
    const plain = compile(call("log", operand(0)), 1, fma, true);
    formulas.slice(0, 2).forEach((formula, i) => {
      const clamped = Float32Array.from(cells, (cell) => (cell < [2 ** -126, 1e-30][i] ? [2 ** -126, 1e-30][i] : cell));
      assert.deepEqual(compile(formula, 1, fma, true)([cells]), plain([clamped]));
    });
    assert.equal(compile(formulas[2], 1, fma)([Float32Array.of(-1, 0, 1, 1e-40)])[1], Number.NEGATIVE_INFINITY);
  }
});

test("numbers at the edges of every function of one operand", () => {
  const edges = Float32Array.of(
    0,
    -0,
    1,
    -1,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
    3.4028234e38,
    -3.4028234e38,
    1e-40,
    0.5,
    -0.5,
  );
  const nan = new Float32Array(Int32Array.of(0x7fc0dead, -0x3f2153).buffer);
  const cells = Float32Array.of(...edges, ...nan, 8388607.5, -2147483648);
  for (const name of ["negate", "abs", "sqrt", "floor", "exp", "log", "relu", "sigmoid", "sign"]) {
    const row = table.get(name) as Row;
    const found = compile(formula(row), 1, true)([cells]);
    cells.forEach((x, i) => {
      const exact = row.value(x);
      assert.ok(ulps(found[i], exact) <= row.ulps, `${name}(${x}) is ${found[i]}, expected ${exact}`);
    });
  }
});

test("exp is 0 from the smallest normal number down, and exact at 0", () => {
  const run = compile(call("exp", operand(0)), 1, true);
  const found = run([Float32Array.of(0, -87.3365, -87.34, -103, -1e10, 88.7228, 88.7229, 1e30)]);
  assert.equal(found[0], 1);
  assert.ok(found[1] >= 2 ** -126);
  assert.deepEqual([...found.slice(2, 5)], [0, 0, 0]);
  assert.ok(found[5] < Number.POSITIVE_INFINITY);
  assert.deepEqual([...found.slice(6)], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
});

test("max and min let NaN through on both sides, also beside a number", () => {
  const [a, b] = [Float32Array.of(Number.NaN, 1, 2, -0), Float32Array.of(1, Number.NaN, 3, 1)];
  for (const name of ["max", "min"]) {
    const both = compile(call(name, operand(0), operand(1)), 2, true)([a, b]);
    assert.deepEqual(
      [...both],
      [...a].map((x, i) => Math[name as "max" | "min"](x, b[i])),
    );
    for (const formula of [call(name, operand(0), constant(1.5)), call(name, constant(1.5), operand(0))]) {
      assert.deepEqual(
        [...compile(formula, 1, true)([a])],
        [...a].map((x) => Math[name as "max" | "min"](x, 1.5)),
      );
    }
  }
});

test("a condition may be any number, and equal parts are shared", () => {
  const shared = call("add", call("exp", operand(0)), call("less", operand(0), operand(1)));
  const expression = call("select", call("less", operand(0), operand(1)), shared, call("select", operand(1), shared, constant(7)));
  const found = compile(expression, 2, false)([Float32Array.of(0, 0, 0, 0), Float32Array.of(1, -1, 0, Number.NaN)]);
  assert.deepEqual([...found], [2, 1, 7, 1]);
});

test("formulas that are 0 where every operand is 0", () => {
  const zero: Record<string, boolean> = {
    relu: true,
    tanh: true,
    gelu: true,
    silu: true,
    mish: true,
    erf: true,
    abs: true,
    softsign: true,
    elu: true,
    exp: false,
    sigmoid: false,
    softplus: false,
    log: false,
    erfc: false,
    hardSigmoid: false,
  };
  for (const [name, expected] of Object.entries(zero)) {
    const row = table.get(name) as Row;
    const inputs = Array.from({ length: row.arity }, (_, i) => (i === 0 ? operand(0) : constant(1)));
    assert.equal(zeroAtZero(call(name, ...inputs)), expected, name);
    const found = compile(call(name, ...inputs), 1, true)([Float32Array.of(0, 0, 0, 0)])[0];
    if (expected) assert.equal(found, 0, name);
  }
  assert.equal(zeroAtZero(call("add", operand(0), operand(1))), true);
  assert.equal(zeroAtZero(call("add", operand(0), operand(1)), [1]), false);
  assert.equal(zeroAtZero(call("multiply", operand(0), operand(1)), [1]), false);
  assert.equal(zeroAtZero(call("divide", operand(0), operand(1))), false);
});
