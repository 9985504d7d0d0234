import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";

/** What all code of a transform depends on: lanes of a cell, and fused multiply-add. */
export interface LaneCode {
  readonly lanes: 4 | 8;
  readonly fma: boolean;
}

/** A vector of `lanes` floats: one v128, or the two halves of a pair. */
export type Lanes = readonly Local[];
/** Real and imaginary part. */
export type Complex = readonly [Lanes, Lanes];

/** Code on vectors, each result in locals of its own; every step is emitted for both halves of a pair side by side, so that they pack. */
export class VectorCode {
  readonly #f: FunctionBuilder;
  readonly #code: LaneCode;

  constructor(f: FunctionBuilder, code: LaneCode) {
    this.#f = f;
    this.#code = code;
  }

  get cellBytes(): number {
    return 4 * this.#code.lanes;
  }

  #each(push: (half: number) => void): Lanes {
    const made = this.#f.locals("v128", this.#code.lanes / 4);
    made.forEach((local, half) => {
      push(half);
      this.#f.set(local);
    });
    return made;
  }

  load(at: Local, offset: number): Lanes {
    return this.#each((half) => this.#f.get(at).memory("v128.load", offset + 16 * half));
  }

  loadComplex(at: Local, offset: number): Complex {
    return [this.load(at, offset), this.load(at, offset + this.cellBytes)];
  }

  store(at: Local, offset: number, from: Lanes): void {
    from.forEach((local, half) =>
      this.#f
        .get(at)
        .get(local)
        .memory("v128.store", offset + 16 * half),
    );
  }

  storeComplex(at: Local, offset: number, [re, im]: Complex): void {
    this.store(at, offset, re);
    this.store(at, offset + this.cellBytes, im);
  }

  add(a: Lanes, b: Lanes): Lanes {
    return this.#each((half) => this.#f.get(a[half]).get(b[half]).op("f32x4.add"));
  }

  subtract(a: Lanes, b: Lanes): Lanes {
    return this.#each((half) => this.#f.get(a[half]).get(b[half]).op("f32x4.sub"));
  }

  sum([ar, ai]: Complex, [br, bi]: Complex): Complex {
    return [this.add(ar, br), this.add(ai, bi)];
  }

  difference([ar, ai]: Complex, [br, bi]: Complex): Complex {
    return [this.subtract(ar, br), this.subtract(ai, bi)];
  }

  multiply(a: Lanes, b: Lanes): Lanes {
    return this.#each((half) => this.#f.get(a[half]).get(b[half]).op("f32x4.mul"));
  }

  /** a times a splat. */
  scale(a: Lanes, factor: Local): Lanes {
    return this.#each((half) => this.#f.get(a[half]).get(factor).op("f32x4.mul"));
  }

  /** c + a b, or c - a b; b may be a splat. */
  multiplyAdd(c: Lanes, a: Lanes, b: Lanes | Local, negative = false): Lanes {
    return this.#each((half) => {
      const factor = "index" in b ? b : b[half];
      if (this.#code.fma)
        this.#f
          .get(a[half])
          .get(factor)
          .get(c[half])
          .op(negative ? "f32x4.relaxed_nmadd" : "f32x4.relaxed_madd");
      else
        this.#f
          .get(c[half])
          .get(a[half])
          .get(factor)
          .op("f32x4.mul", negative ? "f32x4.sub" : "f32x4.add");
    });
  }

  /** a + i b, or a - i b. */
  addTurned([ar, ai]: Complex, [br, bi]: Complex, negative: boolean): Complex {
    return negative ? [this.add(ar, bi), this.subtract(ai, br)] : [this.subtract(ar, bi), this.add(ai, br)];
  }

  /** z w or z conj(w), w being splats at an address. */
  turn([re, im]: Complex, at: Local, offset: number, conjugate: boolean): Complex {
    const [wr, wi] = this.#f.locals("v128", 2);
    [wr, wi].forEach((local, i) =>
      this.#f
        .get(at)
        .memory("v128.load32_splat", offset + 4 * i)
        .set(local),
    );
    return [this.multiplyAdd(this.scale(re, wr), im, wi, !conjugate), this.multiplyAdd(this.scale(im, wr), re, wi, conjugate)];
  }
}
