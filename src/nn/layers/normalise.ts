import { fail } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import { call, constant, type Expression, operand, type Value } from "../../ops/contract.ts";
import { forward } from "../../ops/grid-linear/index.ts";
import { countedCells, momentsOperator } from "../../ops/reduce/index.ts";
import { pointwise, reshape } from "../../ops.ts";
import { ones, zeros } from "../initialisers.ts";
import type { Layer, Scope } from "../scope.ts";
import { layer, partsOf, perChannel } from "./layer.ts";

const moments = (input: Value, keep: boolean, shape: readonly number[]): readonly Value[] =>
  input.graph.apply(momentsOperator, { keep, shape }, [input]);

const plus = (a: Expression, b: Expression): Expression => call("add", a, b);
const minus = (a: Expression, b: Expression): Expression => call("subtract", a, b);
const times = (a: Expression, b: Expression): Expression => call("multiply", a, b);

/** (x - mean) rsqrt(variance + epsilon) scale + shift as one formula, whose gradients share sum(G) and sum(G (x - mean)). */
function normalised(
  input: Value,
  mean: Value,
  variance: Value,
  epsilon: number,
  affine: { readonly scale: Value; readonly shift: Value } | null,
): Value {
  const [x, m, v, scale, shift] = [0, 1, 2, 3, 4].map(operand);
  const standard = times(minus(x, m), call("rsqrt", plus(v, constant(epsilon))));
  if (affine === null) return pointwise(standard, [input, mean, variance]);
  return pointwise(plus(times(standard, scale), shift), [input, mean, variance, affine.scale, affine.shift]);
}

/** The same as x a + b, where a and b depend on states alone: in inference they are worked out once. */
function scaled(
  input: Value,
  mean: Value,
  variance: Value,
  epsilon: number,
  affine: { readonly scale: Value; readonly shift: Value } | null,
): Value {
  const [first, second, third] = [0, 1, 2].map(operand);
  const rate = call("rsqrt", plus(first, constant(epsilon)));
  const a = affine === null ? pointwise(rate, [variance]) : pointwise(times(second, rate), [variance, affine.scale]);
  const b =
    affine === null
      ? pointwise(call("negate", times(first, second)), [mean, a])
      : pointwise(minus(third, times(first, second)), [mean, a, affine.shift]);
  return pointwise(plus(times(first, second), third), [input, a, b]);
}

const affineOf = (scope: Scope, shape: readonly number[]): { scale: Value; shift: Value } => ({
  scale: scope.parameter("scale", shape, ones),
  shift: scope.parameter("shift", shape, zeros),
});

export interface NormOptions {
  /** Added to the variance. */
  readonly epsilon?: number;
  /** Learns a scale and a shift. */
  readonly affine?: boolean;
}

export interface BatchNormOptions extends NormOptions {
  /** Weight of a batch in the running statistics: r' = r + momentum (batch - r). */
  readonly momentum?: number;
}

/**
 * Z = (V - mean) / sqrt(variance + epsilon) * scale + shift, mean and variance of each channel: in training those of the batch,
 * in inference running ones (the running variance is unbiased, n / (n - 1)).
 * Source: Ioffe and Szegedy 2015, algorithm 1.
 * Shapes: [N, C, ...] -> the same.
 */
export function batchNorm({ momentum = 0.1, epsilon = 1e-5, affine = true }: BatchNormOptions = {}): Layer {
  return layer("batchNorm", { momentum, epsilon, affine }, (input, scope) => {
    const { channels, extents } = partsOf(input, "batchNorm", 0);
    const shape = perChannel(channels, extents);
    const learned = affine ? affineOf(scope, shape) : null;
    const running = { mean: scope.statistic("mean", shape, 0), variance: scope.statistic("variance", shape, 1) };
    if (!scope.training) return scaled(input, running.mean, running.variance, epsilon, learned);
    const [mean, variance] = moments(input, false, shape);
    const [before, now, examples] = [0, 1, 2].map(operand);
    const follow = (batch: Expression): Expression => plus(times(constant(1 - momentum), before), times(constant(momentum), batch));
    const valid = input.graph.extents(input);
    const [cells, count] =
      valid === null
        ? [input.graph.examples(), times(examples, constant(size(extents)))]
        : [countedCells(input, valid, { dtype: "f32", shape, batched: false }), examples];
    // of one cell there is no unbiased variance: keep it finite
    const unbiased = times(now, call("divide", count, call("max", minus(count, constant(1)), constant(1))));
    scope.updateStatistic(running.mean, pointwise(follow(now), [running.mean, mean]));
    scope.updateStatistic(running.variance, pointwise(follow(unbiased), [running.variance, variance, cells]));
    return normalised(input, mean, variance, epsilon, learned);
  });
}

export interface LayerNormOptions extends NormOptions {
  /** `example`: statistics over all cells of an example, scale and shift for each cell; `channels`: over the channels at each location, scale and shift for each channel. */
  readonly over?: "example" | "channels";
}

/** Normalises every example by itself. Source: Ba et al. 2016, eq. 3; over channels: Liu et al. 2022. Shapes: [N, C, ...] -> the same. */
export function layerNorm({ epsilon = 1e-5, affine = true, over = "example" }: LayerNormOptions = {}): Layer {
  return layer("layerNorm", { epsilon, affine, over }, (input, scope) => {
    const { channels, extents } = partsOf(input, "layerNorm", 0);
    const whole = over === "example";
    const [mean, variance] = moments(input, true, whole ? [1, ...extents.map(() => 1)] : [1, ...extents]);
    return normalised(
      input,
      mean,
      variance,
      epsilon,
      affine ? affineOf(scope, whole ? [channels, ...extents] : perChannel(channels, extents)) : null,
    );
  });
}

/**
 * Normalises every group of channels that follow one another, of every example.
 * Source: Wu and He 2018, eq. 7.
 * Shapes: [N, C, ...] -> the same; scale and shift for each channel.
 * Throws: when `groups` does not divide the channels.
 */
export function groupNorm(groups: number, { epsilon = 1e-5, affine = true }: NormOptions = {}): Layer {
  return layer("groupNorm", { groups, epsilon, affine }, (input, scope) => {
    const { channels, extents } = partsOf(input, "groupNorm", 0);
    if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0)
      fail("groupNorm", "", "groups", `a divisor of the ${channels} channels`, groups);
    const learned = affine ? affineOf(scope, perChannel(channels, extents)) : null;
    const grouped = reshape(input, [groups, channels / groups, ...extents]);
    const spread = (value: Value): Value => reshape(value, [groups, channels / groups, ...extents.map(() => 1)]);
    const [mean, variance] = moments(grouped, true, [groups, 1, ...extents.map(() => 1)]);
    const output = normalised(
      grouped,
      mean,
      variance,
      epsilon,
      learned === null ? null : { scale: spread(learned.scale), shift: spread(learned.shift) },
    );
    return reshape(output, [channels, ...extents]);
  });
}

/** Normalises every channel of every example. Source: Ulyanov et al. 2016. Shapes: [N, C, ...] -> the same. */
export function instanceNorm({ epsilon = 1e-5, affine = false }: NormOptions = {}): Layer {
  return layer("instanceNorm", { epsilon, affine }, (input, scope) => {
    const { channels, extents } = partsOf(input, "instanceNorm");
    const shape = perChannel(channels, extents);
    const [mean, variance] = moments(input, true, shape);
    return normalised(input, mean, variance, epsilon, affine ? affineOf(scope, shape) : null);
  });
}

export interface LocalResponseNormOptions {
  /** Neighbouring channels that count. */
  readonly size?: number;
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
}

/** Z[c] = V[c] / (k + alpha / size * sum of V[c']^2 over the `size` channels around c)^beta. Source: Krizhevsky et al. 2012, section 3.3. Shapes: [N, C, ...] -> the same. */
export function localResponseNorm({ size: window = 5, alpha = 1e-4, beta = 0.75, k = 1 }: LocalResponseNormOptions = {}): Layer {
  return layer("localResponseNorm", { size: window, alpha, beta, k }, (input) => {
    const { channels, extents } = partsOf(input, "localResponseNorm", 0);
    if (!(k > 0) || alpha < 0) fail("localResponseNorm", "", "k and alpha", "k > 0 and alpha >= 0", `${k} and ${alpha}`);
    const [x, sums] = [operand(0), operand(1)];
    // channels as an axis of a grid, so that the window over them is a kernel
    const grid = extents.length > 2 ? [size(extents)] : extents;
    const taps = [window, ...grid.map(() => 1)];
    const squares = reshape(pointwise(call("square", x), [input]), [1, channels, ...grid]);
    const kernel = input.graph.constant({ shape: [1, 1, ...taps], fill: alpha / window });
    const padding = [{ low: Math.floor(window / 2), high: Math.floor((window - 1) / 2) }, ...grid.map(() => ({ low: 0, high: 0 }))];
    const around = reshape(forward({ kernel: taps, padding }, kernel, squares), [channels, ...extents]);
    return pointwise(times(x, call("exp", times(constant(-beta), call("log", plus(constant(k), sums))))), [input, around]);
  });
}
