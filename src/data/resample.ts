import { invariant } from "../base/errors.ts";

/** A grid of up to three axes, seen as three: missing leading axes have extent 1. */
export interface Space {
  readonly channels: number;
  readonly extents: readonly [number, number, number];
  /** Number of leading axes that are not there. */
  readonly first: number;
}

/** Sees [channels, ...extents] as three axes. */
export function spaceOf(shape: readonly number[]): Space {
  const rank = shape.length - 1;
  invariant(rank >= 1 && rank <= 3, () => `augmentation knows 1 to 3 axes, not ${rank}`);
  const padded = [1, 1, 1, ...shape.slice(1)].slice(-3);
  return { channels: shape[0], extents: [padded[0], padded[1], padded[2]], first: 3 - rank };
}

/**
 * Map from output cells to input positions, both counted from the middle of the grid:
 * z = linear[0] oz; (y, x) = [[linear[1], linear[2]], [linear[3], linear[4]]] (oy, ox); then `centre` is added.
 */
export interface Affine {
  readonly linear: readonly number[];
  readonly centre: readonly number[];
  readonly zeroFill: boolean;
}

/** Resamples one example by linear interpolation; stored numbers stay in their units. */
export function resampleAffine(
  pixels: Uint8Array | Float32Array,
  from: number,
  space: Space,
  map: Affine,
  into: Float32Array,
  offset: number,
): void {
  const [depth, height, width] = space.extents;
  const volume = depth * height * width;
  for (let z = 0; z < depth; z++) {
    const position = map.linear[0] * (z - (depth - 1) / 2) + map.centre[0];
    const low = Math.floor(position);
    const share = position - low;
    const target = offset + z * height * width;
    for (const [plane, weight, add] of [
      [low, 1 - share, false],
      [low + 1, share, true],
    ] as const) {
      if (weight === 0 && add) continue;
      const outside = plane < 0 || plane >= depth;
      const nearest = Math.min(depth - 1, Math.max(0, plane));
      resamplePlane(
        { pixels, from: from + nearest * height * width, volume, space, map, weight: outside && map.zeroFill ? 0 : weight, add },
        into,
        target,
      );
    }
  }
}

interface Plane {
  readonly pixels: Uint8Array | Float32Array;
  readonly from: number;
  readonly volume: number;
  readonly space: Space;
  readonly map: Affine;
  readonly weight: number;
  readonly add: boolean;
}

function resamplePlane({ pixels, from, volume, space, map, weight, add }: Plane, into: Float32Array, target: number): void {
  const { channels } = space;
  const [, height, width] = space.extents;
  const [, yy, yx, xy, xx] = map.linear;
  const [, cy, cx] = map.centre;
  const lastX = width - 1;
  const lastY = height - 1;
  const { zeroFill } = map;
  let cell = target;
  for (let oy = 0; oy < height; oy++) {
    const yRow = yy * (oy - lastY / 2) + cy;
    const xRow = xy * (oy - lastY / 2) + cx;
    for (let ox = 0; ox < width; ox++, cell++) {
      const y = yRow + yx * (ox - lastX / 2);
      const x = xRow + xx * (ox - lastX / 2);
      const y0 = Math.floor(y);
      const x0 = Math.floor(x);
      let bottom = (y - y0) * weight;
      let top = weight - bottom;
      let right = x - x0;
      let left = 1 - right;
      let corner = from + y0 * width + x0;
      let across = 1;
      let down = width;
      if (x0 < 0 || y0 < 0 || x0 >= lastX || y0 >= lastY) {
        if (zeroFill) {
          if (y0 < 0 || y0 > lastY) top = 0;
          if (y0 < -1 || y0 >= lastY) bottom = 0;
          if (x0 < 0 || x0 > lastX) left = 0;
          if (x0 < -1 || x0 >= lastX) right = 0;
        }
        const nearestX = x0 < 0 ? 0 : x0 > lastX ? lastX : x0;
        const nearestY = y0 < 0 ? 0 : y0 > lastY ? lastY : y0;
        corner = from + nearestY * width + nearestX;
        across = x0 < 0 || x0 >= lastX ? 0 : 1;
        down = y0 < 0 || y0 >= lastY ? 0 : width;
      }
      const end = corner + channels * volume;
      for (let at = corner, to = cell; at < end; at += volume, to += volume) {
        const above = pixels[at] * left + pixels[at + across] * right;
        const below = pixels[at + down] * left + pixels[at + down + across] * right;
        const value = above * top + below * bottom;
        into[to] = add ? into[to] + value : value;
      }
    }
  }
}

/** Resamples labels by taking the nearest; what comes from outside of the grid is `outside`. Shapes: one channel. */
export function resampleNearest(labels: Uint8Array, { extents }: Space, map: Affine, into: Int32Array, outside: number): void {
  const [depth, height, width] = extents;
  const [zz, yy, yx, xy, xx] = map.linear;
  let cell = 0;
  for (let oz = 0; oz < depth; oz++) {
    const z = Math.round(zz * (oz - (depth - 1) / 2) + map.centre[0]);
    for (let oy = 0; oy < height; oy++) {
      for (let ox = 0; ox < width; ox++, cell++) {
        const [down, across] = [oy - (height - 1) / 2, ox - (width - 1) / 2];
        const y = Math.round(yy * down + yx * across + map.centre[1]);
        const x = Math.round(xy * down + xx * across + map.centre[2]);
        const isInside = z >= 0 && z < depth && y >= 0 && y < height && x >= 0 && x < width;
        into[cell] = isInside ? labels[(z * height + y) * width + x] : outside;
      }
    }
  }
}
