import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Opcode } from "../../emit/wasm/opcodes.ts";

/** A v128 that can be pushed any number of times; `held` when it lies in a local, so that pushing again costs nothing. */
export interface Vector {
  readonly push: () => void;
  readonly held: boolean;
}

/** Vector constants by the bits of their lane, in locals that were set before the loop. */
export type Constants = ReadonlyMap<number, Local>;

const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0];

/**
 * Straight-line code on four lanes. Every operation is one that packs two by two (no shuffle, no rounding instruction),
 * so that the same code for the low and the high half of a pair becomes 256-bit code.
 */
export class Lanes {
  readonly #f: FunctionBuilder;
  readonly #fma: boolean;
  readonly #constants: Constants | undefined;
  readonly #scratch: Local[];
  readonly #wanted: Set<number> = new Set();
  #used = 0;

  /** `scratch` lends locals from one formula to the next. */
  constructor(f: FunctionBuilder, fma: boolean, constants?: Constants, scratch: Local[] = []) {
    this.#f = f;
    this.#fma = fma;
    this.#constants = constants;
    this.#scratch = scratch;
  }

  /** Bits of the constants that were asked for. */
  get wanted(): ReadonlySet<number> {
    return this.#wanted;
  }

  /** Emits a vector into a local, unless it is in one. */
  keep(vector: Vector): Vector {
    if (vector.held) return vector;
    this.#scratch[this.#used] ??= this.#f.local("v128");
    const local = this.#scratch[this.#used++];
    vector.push();
    this.#f.set(local);
    return { push: () => this.#f.get(local), held: true };
  }

  op(name: Opcode, ...inputs: readonly Vector[]): Vector {
    const push = (): void => {
      for (const input of inputs) input.push();
      this.#f.op(name);
    };
    return { push, held: false };
  }

  shift(name: "i32x4.shl" | "i32x4.shr_s" | "i32x4.shr_u", value: Vector, bits: number): Vector {
    const push = (): void => {
      value.push();
      this.#f.i32(bits).op(name);
    };
    return { push, held: false };
  }

  /** The same 32 bits in each lane. */
  bits(bits: number): Vector {
    const known = this.#constants?.get(bits | 0);
    const push = (): void => {
      this.#wanted.add(bits | 0);
      if (known !== undefined) this.#f.get(known);
      else this.#f.i32x4(bits);
    };
    return { push, held: true };
  }

  number(value: number): Vector {
    return this.bits(bitsOf(value));
  }

  add = (a: Vector, b: Vector): Vector => this.op("f32x4.add", a, b);
  subtract = (a: Vector, b: Vector): Vector => this.op("f32x4.sub", a, b);
  multiply = (a: Vector, b: Vector): Vector => this.op("f32x4.mul", a, b);
  and = (a: Vector, b: Vector): Vector => this.op("v128.and", a, b);
  or = (a: Vector, b: Vector): Vector => this.op("v128.or", a, b);

  /** a b + c, with one rounding where the device has it. */
  multiplyAdd(a: Vector, b: Vector, c: Vector): Vector {
    return this.#fma ? this.op("f32x4.relaxed_madd", a, b, c) : this.add(this.multiply(a, b), c);
  }

  /** c - a b, likewise. */
  multiplySubtract(a: Vector, b: Vector, c: Vector): Vector {
    return this.#fma ? this.op("f32x4.relaxed_nmadd", a, b, c) : this.subtract(c, this.multiply(a, b));
  }

  /** `a` where the mask is set, `b` elsewhere. */
  select(mask: Vector, a: Vector, b: Vector): Vector {
    return this.op("v128.bitselect", a, b, mask);
  }

  /** Value of a polynomial by Horner's rule; coefficients from the constant term up. */
  polynomial(x: Vector, coefficients: readonly number[]): Vector {
    const highest = this.number(coefficients[coefficients.length - 1]);
    return coefficients.slice(0, -1).reduceRight<Vector>((sum, coefficient) => this.multiplyAdd(sum, x, this.number(coefficient)), highest);
  }
}
