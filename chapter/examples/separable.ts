import { composeKernel, countMatrix, evaluate, lowRankKernel, matrixOf, random, referenceTarget, separateKernel, tensor } from "toeplitz";
import { convolve } from "toeplitz/ops";
import { draw, type Picture, pictures } from "../draw.ts";

// a kernel that is an outer product of one vector per axis: passes along the axes, one after the other, give the same
const bell = [1, 6, 15, 20, 15, 6, 1];
const slope = [-1, -4, -5, 0, 5, 4, 1];
const outer = slope.flatMap((a) => bell.map((b) => a * b));
const draws = random(1);
const session = await referenceTarget.open();
const v = tensor(
  [1, 1, 24, 24],
  Array.from({ length: 576 }, () => draws.integer(-4, 4)),
);
const { whole, passes } = await evaluate(
  session,
  { v, k: tensor([1, 1, 7, 7], outer), a: tensor([1, 1, 7, 1], slope), b: tensor([1, 1, 1, 7], bell) },
  (given) => ({
    whole: convolve({ kernel: [7, 7] }, given.k, given.v),
    passes: convolve({ kernel: [1, 7] }, given.b, convolve({ kernel: [7, 1] }, given.a, given.v)),
  }),
);
console.log(
  `7 x 7 against 7 x 1, then 1 x 7: ${whole.data.filter((cell, i) => cell !== passes.data[i]).length} of ${whole.data.length} cells differ`,
);
const products = (line: string): number => countMatrix(matrixOf(`grid-linear forward n1 ci1 co1 g1 | ${line} s1 d1 p0:0 t1 zero`)).nonZeros;
for (const [name, one, several] of [
  ["24 x 24, 7 x 7", ["i24x24 k7x7"], ["i24x24 k7x1", "i18x24 k1x7"]],
  ["12 x 12 x 12, 5 x 5 x 5", ["i12x12x12 k5x5x5"], ["i12x12x12 k5x1x1", "i8x12x12 k1x5x1", "i8x8x12 k1x1x5"]],
] as const) {
  const [full, parts] = [one, several].map((lines) => lines.reduce((sum, line) => sum + products(line), 0));
  console.log(`${name}: ${full} products, axis by axis ${parts}`);
}

// which kernels are outer products, found from their numbers; any other is a sum of several, nearer the more there are
const diagonal = outer.map((_, at) => Math.exp(-((((at % 7) - Math.floor(at / 7)) / 1.5) ** 2)));
const noise = outer.map(() => draws.normal());
const drawn: Picture[] = [];
for (const [name, kernel] of Object.entries({ "the outer product": outer, "a diagonal line": diagonal, noise })) {
  const given = tensor([1, 1, 7, 7], kernel);
  const errors = [1, 2, 3, 5].map((rank) => `${rank}: ${(100 * lowRankKernel(given, rank).error).toFixed(0)} %`);
  console.log(
    `${name}: ${separateKernel(given) === null ? "not separable" : "separable"}; error of the nearest sum of ${errors.join(", ")}`,
  );
  drawn.push({ caption: name, rows: 7, columns: 7, cells: kernel });
  drawn.push({ caption: "nearest outer product", rows: 7, columns: 7, cells: composeKernel(lowRankKernel(given, 1).factors).data });
}
draw("separable", pictures("Three kernels, and the outer product nearest to each", drawn, { side: 110, perRow: 6 }));
