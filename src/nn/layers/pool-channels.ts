import { fail } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import { tensor } from "../../graph/trace.ts";
import type { Value } from "../../ops/contract.ts";
import { forward } from "../../ops/grid-linear/index.ts";
import { concat, crop, maxWindow, reshape, slice } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { layer, partsOf, perAxis } from "./layer.ts";
import { checkKind, drawFrom, type PoolKind, regionsOf, weightedByItself } from "./pool-regions.ts";
import { powers, rooted } from "./pool-sums.ts";

type PerAxis<T> = T | readonly T[];

function checkPieces(kind: string, input: Value, pieces: number): { channels: number; extents: readonly number[] } {
  const parts = partsOf(input, kind, 0);
  if (!Number.isInteger(pieces) || pieces < 1 || parts.channels % pieces !== 0)
    fail(kind, "", "pieces", `a divisor of the ${parts.channels} channels`, pieces);
  return parts;
}

function largestChannel(kind: string, input: Value, pieces: number): Value {
  const { channels, extents } = checkPieces(kind, input, pieces);
  // with the pieces on an axis of their own, windows do not cut through blocks of channels
  const apart = reshape(input, [channels / pieces, pieces, ...extents]);
  return reshape(maxWindow(apart, { kernel: [1, pieces, ...extents.map(() => 1)] }).value, [channels / pieces, ...extents]);
}

/** Largest of every `pieces` channels that follow one another. Source: Goodfellow et al. 2013. Shapes: [N, C, ...] -> [N, C / pieces, ...]. */
export const maxout = (pieces: number): Layer => layer("maxout", { pieces }, (input) => largestChannel("maxout", input, pieces));

/** Sum of every `pieces` channels, times `scale`: a convolution of one tap in groups, its kernel constant. */
function channelSums(input: Value, pieces: number, scale: number): Value {
  const [, channels, ...extents] = input.type.shape;
  const ones = extents.map(() => 1);
  const kernel = input.graph.constant({ shape: [channels / pieces, pieces, ...ones], fill: scale });
  return forward({ kernel: ones, groups: channels / pieces }, kernel, input);
}

/**
 * A statistic of every `pieces` channels that follow one another, so that the net can learn what to be invariant to: their mean, the largest
 * (maxout), (sum of |V|^p)^(1/p), or one drawn with probability proportional to max(V, 0), as stochasticPool draws cells.
 * Source: Goodfellow et al. 2016, section 9.3 and figure 9.9.
 * Shapes: [N, C, ...] -> [N, C / pieces, ...].
 * Throws: when the pieces do not divide the channels, or p < 1.
 * Example: `channelPool(4, { power: 2 })`
 */
export function channelPool(pieces: number, kind: PoolKind | "stochastic" = "average"): Layer {
  if (kind !== "stochastic") checkKind("channelPool", kind);
  return layer("channelPool", { pieces, kind }, (input, scope) => {
    const { channels, extents } = checkPieces("channelPool", input, pieces);
    if (kind === "max") return largestChannel("channelPool", input, pieces);
    if (kind === "average") return channelSums(input, pieces, 1 / pieces);
    if (kind !== "stochastic") return rooted(channelSums(powers(input, kind.power), pieces, 1), kind.power);
    if (!scope.training) return weightedByItself(input, (value) => channelSums(value, pieces, 1));
    const groups = channels / pieces;
    const cells = Array.from({ length: size(extents) }, (_, cell) => cell);
    const own = input.graph.extents(input);
    const draws = scope.uniform("draws", [groups, ...extents], own);
    return input.graph.unequal(own, () => {
      const apart = reshape(input, [groups, pieces, cells.length]);
      const regions = regionsOf(apart, [
        { starts: [0], ends: [pieces] },
        { starts: cells, ends: cells.map((cell) => cell + 1) },
      ]);
      return reshape(drawFrom(apart, regions, reshape(draws, [groups, 1, cells.length])), [groups, ...extents]);
    });
  });
}

export interface PartialPoolOptions {
  /**
   * How channels that are not pooled come to the extents of those that are: `sampled`, the first cell of every window; `folded`, all
   * their cells, those of a window as channels. A pooling of stride 1 with padding "same" needs neither.
   */
  readonly others?: "sampled" | "folded";
  /** Cells between windows; those of the pooling when left out. */
  readonly stride?: PerAxis<number>;
}

/** Cells between the windows of a pooling, as its options say. */
function strideOf(pool: Layer, given: PerAxis<number> | undefined): PerAxis<number> | undefined {
  const { stride, size: window } = ("options" in pool ? pool.options : {}) as { stride?: PerAxis<number>; size?: PerAxis<number> };
  return given ?? stride ?? window;
}

/**
 * Pools the first channels and lets the others pass on at full detail, one behind the other: features that are invariant beside features that
 * keep their place.
 * Source: Goodfellow et al. 2016, section 9.4; Szegedy et al. 2015.
 * Shapes: [N, C, ...n] -> [N, C, ...m], folded [N, pooled + (C - pooled) s1 s2 ..., ...m]; `channels` is a number of channels, or a share below 1.
 * Throws: when no channel is pooled or none passes, or the extents of both do not come together.
 * Example: `partialPool(0.5, maxPool(2), { others: "folded" })`
 */
export function partialPool(channels: number, pool: Layer, options: PartialPoolOptions = {}): Layer {
  const { others = "sampled" } = options;
  return layer("partialPool", { channels, pool: pool.kind, ...options }, (input, scope) => {
    const { channels: all, extents } = partsOf(input, "partialPool");
    const pooled = channels < 1 ? Math.round(channels * all) : channels;
    if (!Number.isInteger(pooled) || pooled < 1 || pooled >= all)
      fail("partialPool", "", "channels", `1 to ${all - 1} of the ${all}, or a share of them below 1`, channels);
    const made = scope.apply(pool, slice(input, 1, 0, pooled));
    const rest = slice(input, 1, pooled);
    const to = made.type.shape.slice(2);
    if (to.length === extents.length && to.every((extent, axis) => extent === extents[axis])) return concat([made, rest]);
    const stride = strideOf(pool, options.stride);
    if (stride === undefined || to.length !== extents.length)
      fail("partialPool", "", "stride", "cells between the windows of the pooling", "none", "Give it as `stride`.");
    const steps = perAxis(stride, extents.length, "partialPool", "strides");
    return concat([made, others === "folded" ? folded(rest, to, steps) : sampled(rest, to, steps)]);
  });
}

/** Cells of every channel put elsewhere by convolutions of single taps: with `all`, every cell of a window makes a channel, else its first. */
function apartByTaps(input: Value, steps: readonly number[], all: boolean): Value {
  const channels = input.type.shape[1];
  const taps = all ? size(steps) : 1;
  const kernel = all ? steps : steps.map(() => 1);
  const content = Array.from({ length: channels * taps * taps }, (_, at) => (Math.floor(at / taps) % taps === at % taps ? 1 : 0));
  const ones = input.graph.constant(tensor([channels * taps, 1, ...kernel], content));
  return forward({ kernel, stride: steps, groups: channels }, ones, input);
}

/** Every s-th cell from the first. */
function sampled(input: Value, to: readonly number[], steps: readonly number[]): Value {
  const made = apartByTaps(input, steps, false);
  const beyond = made.type.shape.slice(2).map((extent, axis) => extent - to[axis]);
  beyond.forEach((cells, axis) => {
    const [from, last] = [input.type.shape[2 + axis], (to[axis] - 1) * steps[axis]];
    if (cells < 0)
      fail(
        "partialPool",
        "",
        `cells on axis ${axis}`,
        `more than (${to[axis]} - 1) * ${steps[axis]} = ${last}, the last one sampled`,
        from,
      );
  });
  return beyond.every((cells) => cells === 0)
    ? made
    : crop(
        made,
        beyond.map((high) => ({ low: 0, high })),
      );
}

/** All cells, those of a window of `steps` as channels: [C, ...m s] -> [C s1 s2 ..., ...m]. */
function folded(input: Value, to: readonly number[], steps: readonly number[]): Value {
  input.type.shape.slice(2).forEach((from, axis) => {
    if (from !== to[axis] * steps[axis])
      fail("partialPool", "", `cells on axis ${axis}`, `${to[axis]} windows of ${steps[axis]} = ${to[axis] * steps[axis]}`, from);
  });
  return apartByTaps(input, steps, true);
}
