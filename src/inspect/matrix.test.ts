import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { size } from "../base/types.ts";
import { readNpz } from "../formats/npz.ts";
import { type GridLinearPlan, gridLinear, typesOf } from "../ops/grid-linear/index.ts";
import { countMatrix, denseMatrix, matrixOf, multiplySparse, sparseRows, transposeMatrix } from "./matrix.ts";
import { writeMatrixMarket, writeMatrixNpz } from "./matrix-files.ts";
import { drawMatrix } from "./matrix-picture.ts";
import { nameStructure, structureOf } from "./matrix-structure.ts";
import { distanceFromConvolution } from "./prior.ts";

const parse = (line: string): GridLinearPlan => gridLinear.parse(line);
const integers = (count: number, seed: number): Float64Array => {
  const source = random(seed);
  return Float64Array.from({ length: count }, () => source.integer(-4, 4));
};

test("the matrix times a vector is what the operator computes, for sampled plans of every role", () => {
  const source = random(5);
  for (let i = 0; i < 150; i++) {
    const plan = { ...gridLinear.sample(source), examples: 1 };
    const types = typesOf(plan);
    const [first, second] = gridLinear.inputs(plan).map(({ shape }, k) => integers(size(shape), 10 * i + k));
    const matrix = matrixOf(plan);
    const [fixed, vector] = plan.role === "kernel" ? [second, first] : [first, second];
    assert.equal(matrix.parameters, size((plan.role === "kernel" ? types.input : types.kernel).shape));
    const [expected] = gridLinear.reference(plan, [first, second]);
    assert.deepEqual(multiplySparse(sparseRows(matrix, fixed), vector), expected, gridLinear.line(plan));
  }
});

test("the transposed matrix of forward is the matrix of the input gradient", () => {
  const forward = parse("grid-linear forward n1 ci2 co3 g1 | i6x5 k3x2 s2x1 d1 p1:1 t1x2 zero");
  const [turned, input] = [transposeMatrix(matrixOf(forward)), matrixOf({ ...forward, role: "input" })];
  for (const part of ["row", "column", "parameter"] as const) assert.deepEqual(turned[part], input[part]);
});

test("structures: Toeplitz, doubly block circulant under wrap, none for strides and locally connected layers", () => {
  const name = (line: string): string => nameStructure(matrixOf(parse(line)));
  assert.equal(name("grid-linear forward n1 ci1 co1 g1 | i6 k3 s1 d1 p1:1 t1 zero"), "Toeplitz");
  assert.equal(name("grid-linear forward n1 ci1 co1 g1 | i6 k3 s1 d1 p1:1 t1 wrap"), "circulant");
  assert.equal(name("grid-linear forward n1 ci1 co1 g1 | i5x6 k3x3 s1 d1 p1:1 t1 wrap"), "doubly block circulant");
  assert.equal(
    name("grid-linear forward n1 ci2 co3 g1 | i4x5x3 k3 s1 d1 p1:1 t1 wrap"),
    "triply block circulant, one block for each pair of channels",
  );
  assert.equal(name("grid-linear forward n1 ci1 co1 g1 | i5x6 k3x2 s1 d1 p0:0 t1 zero"), "doubly block Toeplitz");
  assert.equal(structureOf(matrixOf(parse("grid-linear forward n1 ci1 co1 g1 | i7 k3 s2 d1 p1:1 t1 zero"))), "none");
  assert.equal(structureOf(matrixOf(parse("grid-linear forward n1 ci1 co1 g1 | i6 k3 s1 d1 p1:1 t6 zero"))), "none");
  assert.equal(structureOf(matrixOf(parse("grid-linear forward n1 ci1 co1 g1 | i6 k3 s1 d1 p1:1 t1 replicate"))), "none");
});

test("counts of the edge detector of section 9.2", () => {
  const counts = countMatrix(matrixOf(parse("grid-linear forward n1 ci1 co1 g1 | i280x320 k1x2 s1 d1 p0:0 t1 zero")));
  assert.deepEqual([counts.rows, counts.columns], [280 * 319, 280 * 320]);
  assert.equal(counts.nonZeros, 2 * 280 * 319);
  assert.equal(counts.distinct, 2);
  assert.equal(counts.bytes.factors, 8);
  assert.equal(counts.bytes.dense, 4 * 280 * 319 * 280 * 320);
});

test("files: what is written can be read back", async () => {
  const plan = parse("grid-linear forward n1 ci1 co1 g1 | i4 k2 s1 d1 p0:0 t1 zero");
  const rows = sparseRows(matrixOf(plan), [2, -1]);
  assert.equal(
    writeMatrixMarket(rows, "Z = M V"),
    "%%MatrixMarket matrix coordinate real general\n% Z = M V\n3 4 6\n1 1 2\n1 2 -1\n2 2 2\n2 3 -1\n3 3 2\n3 4 -1\n",
  );
  const back = readNpz(await writeMatrixNpz(rows));
  assert.deepEqual([...(back.get("indptr")?.data ?? [])], [0, 2, 4, 6]);
  assert.deepEqual([...(back.get("indices")?.data ?? [])], [0, 1, 1, 2, 2, 3]);
  assert.deepEqual([...(back.get("data")?.data ?? [])], [2, -1, 2, -1, 2, -1]);
  assert.deepEqual([...(back.get("shape")?.data ?? [])], [3, 4]);
});

test("pictures: one mark for each entry; large matrices in squares", () => {
  const small = drawMatrix(matrixOf(parse("grid-linear forward n1 ci1 co1 g1 | i5 k3 s1 d1 p0:0 t1 zero")), 'a "matrix" & more');
  assert.equal(small.match(/h1v1/g)?.length, 9);
  assert.equal(small.match(/<path/g)?.length, 3);
  assert.match(small, /<title>a &quot;matrix&quot; &amp; more</);
  const large = drawMatrix(matrixOf(parse("grid-linear forward n1 ci1 co1 g1 | i400 k3 s1 d1 p1:1 t1 zero")), "large");
  assert.ok((large.match(/h1v1/g)?.length ?? 0) < 600);
});

test("the projection finds a convolution in its own matrix, and measures what is changed", () => {
  const plan = parse("grid-linear forward n1 ci2 co2 g1 | i5x4 k3x3 s1 d1 p1:1 t1 zero");
  const matrix = matrixOf(plan);
  const kernel = integers(matrix.parameters, 3);
  const weights = denseMatrix(matrix, kernel);
  const own = distanceFromConvolution(matrix, weights);
  assert.deepEqual(own.kernel, kernel);
  assert.ok(own.total < 1e-15);
  const squares = weights.reduce((sum, weight) => sum + weight * weight, 0);
  // (row 0, column 19) lies outside of every field
  assert.equal(weights[19], 0);
  weights[19] = 3;
  assert.ok(Math.abs(distanceFromConvolution(matrix, weights).outside - 9 / (squares + 9)) < 1e-15);
  weights[19] = 0;
  weights[0] += 2;
  const untied = distanceFromConvolution(matrix, weights);
  assert.equal(untied.outside, 0);
  assert.ok(untied.untied > 0);
  // no other kernel is nearer
  const distance = (k: Float64Array): number => denseMatrix(matrix, k).reduce((sum, weight, i) => sum + (weight - weights[i]) ** 2, 0);
  const least = distance(untied.kernel);
  for (let p = 0; p < kernel.length; p++)
    for (const step of [-0.01, 0.01]) assert.ok(distance(untied.kernel.with(p, untied.kernel[p] + step)) > least);
});

test("bad input is told", () => {
  const matrix = matrixOf(parse("grid-linear forward n1 ci1 co1 g1 | i5 k3 s1 d1 p1:1 t1 replicate"));
  assert.throws(() => sparseRows(matrix, [1, 2]), /inspect\(matrix\): numbers of K: expected 3; received 2/);
  assert.throws(() => distanceFromConvolution(matrix, new Float64Array(25).fill(1)), /expected one tap; received several/);
  const big = parse("grid-linear forward n1 ci512 co512 g1 | i100x100 k3x3 s1 d1 p1:1 t1 zero");
  assert.throws(() => matrixOf(big), /expected <= 67108864/);
});
