/**
 * Counter-based random bits: a draw depends on its key and its counter alone, never on order, thread or place.
 * The same integers come out of the host, the reference and the routines.
 * Source: the mixing constants are Chris Wellons' `triple32` (hash-prospector, public domain), bias 0.0209 over 32 bits.
 */
export function mix32(value: number): number {
  let x = value | 0;
  x ^= x >>> 17;
  x = Math.imul(x, 0xed5ad4bb);
  x ^= x >>> 11;
  x = Math.imul(x, 0xac4c1b51);
  x ^= x >>> 15;
  x = Math.imul(x, 0x31848bab);
  x ^= x >>> 14;
  return x | 0;
}

/** Folds several integers into one 32-bit key. */
export function keyOf(...parts: readonly number[]): number {
  return parts.reduce((key, part) => mix32(key ^ mix32((part | 0) + 0x9e3779b9)), 0);
}

/** 24 random bits as a number in [0, 1), exact in f32. */
export function unit(key: number, counter: number): number {
  return (mix32(key ^ mix32(counter)) >>> 8) * 2 ** -24;
}

/** A stream of draws for the host: shuffles, generators, initial values. */
export interface Random {
  /** In [0, 1). */
  uniform(): number;
  /** Integer in [low, high], both included. */
  integer(low: number, high: number): number;
  /** Mean 0, deviation 1 (Box-Muller). */
  normal(): number;
  /** One of the list. */
  pick<T>(list: readonly T[]): T;
  /** The numbers 0..count-1 in random order. */
  permutation(count: number): Int32Array;
  /** An independent stream, named by integers. */
  fork(...parts: readonly number[]): Random;
}

/** Makes a stream from a seed (and further integers that name it). Equal arguments give equal streams. */
export function random(...seed: readonly number[]): Random {
  const key = keyOf(...seed);
  let counter = 0;
  const uniform = (): number => {
    const high = unit(key, counter++);
    return high + unit(key, counter++) * 2 ** -24;
  };
  const integer = (low: number, high: number): number => low + Math.floor(uniform() * (high - low + 1));
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    pick: (list) => list[integer(0, list.length - 1)],
    permutation: (count) => {
      const order = Int32Array.from({ length: count }, (_, index) => index);
      for (let last = count - 1; last > 0; last--) {
        const other = integer(0, last);
        const held = order[last];
        order[last] = order[other];
        order[other] = held;
      }
      return order;
    },
    fork: (...parts) => random(key, ...parts),
  };
}
