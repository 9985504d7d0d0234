import { fail } from "../base/errors.ts";
import { size, type Tensor } from "../base/types.ts";
import { tensor } from "../graph/trace.ts";
import { call, constant, operand, type Value } from "../ops/contract.ts";
import { convolve, max, mean, pointwise, sum } from "../ops.ts";
import type { PatchClusters } from "./clusters.ts";
import { type LayerWith, layer } from "./layers/layer.ts";

/**
 * Clusters as kernels of a plain convolution: K_k = W c_k, what the whitened patch is multiplied by.
 * Shapes: [count, channels, ...extents].
 * Example: `frozen(conv(64, { kernel: 6, initialiser: givenCells(clusterKernels(clusters)) }))`
 */
export function clusterKernels({ shape, whitening, centroids, count }: PatchClusters): Tensor & { readonly data: Float32Array } {
  const cells = size(shape);
  const data = new Float32Array(count * cells);
  for (let cluster = 0; cluster < count; cluster++) {
    for (let row = 0; row < cells; row++) {
      let product = 0;
      for (let cell = 0; cell < cells; cell++) product += whitening[row * cells + cell] * centroids[cluster * cells + cell];
      data[cluster * cells + row] = product;
    }
  }
  return { dtype: "f32", shape: [count, ...shape], data };
}

export interface ClusterFeatureOptions {
  /**
   * `triangle`: max(0, mean distance - distance), zero for the farther half. `hard`: 1 for the nearest, else 0. Default `triangle`.
   */
  readonly activation?: "triangle" | "hard";
  readonly stride?: number;
}

/** Fixed numbers of the layer: they go into the graph as constants. */
interface Fixed {
  readonly whitening: Tensor;
  readonly ones: Tensor;
  readonly rowSums: Tensor;
  readonly shift: Tensor;
  readonly centroids: Tensor;
  readonly squares: Tensor;
}

function fixedOf({ shape, mean: m, whitening, centroids, count }: PatchClusters): Fixed {
  const [channels, ...extents] = shape;
  const cells = size(shape);
  const unit = extents.map(() => 1);
  const rows = (of: (row: number) => number): Float32Array => Float32Array.from({ length: cells }, (_, row) => of(row));
  const product = (row: number, by: (cell: number) => number): number => {
    let total = 0;
    for (let cell = 0; cell < cells; cell++) total += whitening[row * cells + cell] * by(cell);
    return total;
  };
  return {
    whitening: tensor([cells, channels, ...extents], Float32Array.from(whitening)),
    ones: tensor([1, channels, ...extents], new Float32Array(cells).fill(1 / cells)),
    rowSums: tensor(
      [cells, ...unit],
      rows((row) => product(row, () => 1)),
    ),
    shift: tensor(
      [cells, ...unit],
      rows((row) => product(row, (cell) => m[cell])),
    ),
    centroids: tensor([count, cells, ...unit], Float32Array.from(centroids)),
    squares: tensor(
      [count, ...unit],
      Float32Array.from({ length: count }, (_, k) => centroids.subarray(k * cells, (k + 1) * cells).reduce((total, c) => total + c * c, 0)),
    ),
  };
}

/**
 * Features of clustered patches at every place: w = W ((p - mean p) / sqrt(var p + contrast) - m) of the patch p there, z_k = |w - c_k|,
 * Z_k = max(0, mean z - z_k), or 1 for the smallest z_k and else 0. Nothing in it is trained.
 * Source: Coates, Lee and Ng 2011, eq. 1 and 2.
 * Shapes: [N, channels, ...n] -> [N, count, ...m].
 * Throws: when the input has other channels or axes than the patches.
 * Example: `sequential(clusterFeatures(clusters), averagePool(11), flatten(), dense(10))`
 */
export function clusterFeatures(
  clusters: PatchClusters,
  { activation = "triangle", stride = 1 }: ClusterFeatureOptions = {},
): LayerWith<ClusterFeatureOptions> {
  const fixed = fixedOf(clusters);
  return layer("clusterFeatures", { activation, stride }, (input: Value) => {
    const [channels, ...extents] = clusters.shape;
    const fits = input.type.shape[1] === channels && input.type.shape.length === extents.length + 2;
    if (!fits) fail("clusterFeatures", "", "input", `[N, ${channels}, ${extents.length} extents]`, `[${input.type.shape.join(", ")}]`);
    const given = (name: keyof Fixed): Value => input.graph.constant(fixed[name]);
    const options = { kernel: extents, stride: extents.map(() => stride) };
    const middle = convolve(options, given("ones"), input);
    const square = convolve(options, given("ones"), pointwise(call("square", operand(0)), [input]));
    // w = (W p - mean p W 1) / deviation - W m
    const [raw, average, squares, rowSums, shift] = [0, 1, 2, 3, 4].map(operand);
    const variance = call("max", call("subtract", squares, call("square", average)), constant(0));
    const deviation = call("sqrt", call("add", variance, constant(clusters.contrast)));
    const centred = call("subtract", raw, call("multiply", average, rowSums));
    const white = pointwise(call("subtract", call("divide", centred, deviation), shift), [
      convolve(options, given("whitening"), input),
      middle,
      square,
      given("rowSums"),
      given("shift"),
    ]);
    const products = convolve({ kernel: extents.map(() => 1) }, given("centroids"), white);
    const lengths = sum(pointwise(call("square", operand(0)), [white]), 1, { keepAxes: true });
    const squaresOf = call("add", call("subtract", operand(1), call("multiply", operand(0), constant(2))), operand(2));
    const distance = call("sqrt", call("max", squaresOf, constant(0)));
    const distances = pointwise(distance, [products, lengths, given("squares")]);
    if (activation === "triangle")
      return pointwise(call("relu", call("subtract", operand(1), operand(0))), [distances, mean(distances, 1, { keepAxes: true })]);
    const nearest = max(pointwise(call("negate", operand(0)), [distances]), 1, { keepAxes: true });
    return pointwise(call("equal", call("negate", operand(0)), operand(1)), [distances, nearest]);
  });
}
