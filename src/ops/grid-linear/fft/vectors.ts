import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";

/** What all code of a transform depends on: lanes of a cell, and fused multiply-add. */
export interface LaneCode {
  readonly lanes: 4 | 8;
  readonly fma: boolean;
}

/** A vector of `lanes` floats: one v128, or the two halves of a pair. It has locals of its own, or gets some when the code is written. */
export type Lanes = readonly Local[] | { readonly made: number };
/** Real and imaginary part. */
export type Complex = readonly [Lanes, Lanes];

/** A step of code that waits to be written. */
interface Waiting {
  readonly result: number | null;
  readonly uses: readonly Lanes[];
  readonly emit: (locals: (lanes: Lanes) => readonly Local[], result: readonly Local[]) => void;
}

/**
 * Code on vectors; every step is emitted for both halves of a pair side by side, so that they pack. Steps wait for `write`, which lets results
 * share locals: V8 counts a local that is set in a loop against packing, even where nothing carries it from round to round.
 */
export class VectorCode {
  readonly #f: FunctionBuilder;
  readonly #code: LaneCode;
  readonly #locals: (readonly Local[])[] = [];
  #waiting: Waiting[] = [];
  readonly #splats: readonly Local[];
  #made = 0;

  constructor(f: FunctionBuilder, code: LaneCode) {
    this.#f = f;
    this.#code = code;
    this.#splats = f.locals("v128", 2);
  }

  get cellBytes(): number {
    return 4 * this.#code.lanes;
  }

  /** Writes what waits; results made before are gone after it. */
  write(): void {
    const last = new Map<number, number>();
    this.#waiting.forEach(({ uses }, step) => {
      for (const lanes of uses) if ("made" in lanes) last.set(lanes.made, step);
    });
    const free = [...this.#locals];
    const held = new Map<number, readonly Local[]>();
    const locals = (lanes: Lanes): readonly Local[] => ("made" in lanes ? (held.get(lanes.made) ?? []) : lanes);
    this.#waiting.forEach(({ result, uses, emit }, step) => {
      const inputs = uses.map(locals);
      const given = uses.flatMap((lanes) => ("made" in lanes && last.get(lanes.made) === step ? [lanes.made] : []));
      for (const made of new Set(given)) free.push(held.get(made) ?? []);
      const own = result === null ? [] : (free.pop() ?? this.#more());
      emit((lanes) => inputs[uses.indexOf(lanes)], own);
      if (result !== null) held.set(result, own);
    });
    this.#waiting = [];
  }

  #more(): readonly Local[] {
    const made = this.#f.locals("v128", this.#code.lanes / 4);
    this.#locals.push(made);
    return made;
  }

  /** A step that is no vector's, such as moving a pointer. */
  step(emit: () => void): void {
    this.#waiting.push({ result: null, uses: [], emit });
  }

  #each(uses: readonly Lanes[], push: (half: number, ...inputs: (readonly Local[])[]) => void): Lanes {
    const result = this.#made++;
    this.#waiting.push({
      result,
      uses,
      emit: (locals, own) =>
        own.forEach((local, half) => {
          push(half, ...uses.map(locals));
          this.#f.set(local);
        }),
    });
    return { made: result };
  }

  load(at: Local, offset: number): Lanes {
    return this.#each([], (half) => this.#f.get(at).memory("v128.load", offset + 16 * half));
  }

  loadComplex(at: Local, offset: number): Complex {
    return [this.load(at, offset), this.load(at, offset + this.cellBytes)];
  }

  store(at: Local, offset: number, from: Lanes): void {
    const emit = (locals: (lanes: Lanes) => readonly Local[]): void =>
      locals(from).forEach((local, half) => {
        this.#f
          .get(at)
          .get(local)
          .memory("v128.store", offset + 16 * half);
      });
    this.#waiting.push({ result: null, uses: [from], emit });
  }

  /** Sets locals of the caller. */
  keep(from: Lanes, to: readonly Local[]): void {
    const emit = (locals: (lanes: Lanes) => readonly Local[]): void => {
      const made = locals(from);
      to.forEach((local, half) => {
        this.#f.get(made[half]).set(local);
      });
    };
    this.#waiting.push({ result: null, uses: [from], emit });
  }

  storeComplex(at: Local, offset: number, [re, im]: Complex): void {
    this.store(at, offset, re);
    this.store(at, offset + this.cellBytes, im);
  }

  add(a: Lanes, b: Lanes): Lanes {
    return this.#each([a, b], (half, x, y) => this.#f.get(x[half]).get(y[half]).op("f32x4.add"));
  }

  subtract(a: Lanes, b: Lanes): Lanes {
    return this.#each([a, b], (half, x, y) => this.#f.get(x[half]).get(y[half]).op("f32x4.sub"));
  }

  sum([ar, ai]: Complex, [br, bi]: Complex): Complex {
    return [this.add(ar, br), this.add(ai, bi)];
  }

  difference([ar, ai]: Complex, [br, bi]: Complex): Complex {
    return [this.subtract(ar, br), this.subtract(ai, bi)];
  }

  multiply(a: Lanes, b: Lanes): Lanes {
    return this.#each([a, b], (half, x, y) => this.#f.get(x[half]).get(y[half]).op("f32x4.mul"));
  }

  /** a times a splat. */
  scale(a: Lanes, factor: Local): Lanes {
    return this.#each([a], (half, x) => this.#f.get(x[half]).get(factor).op("f32x4.mul"));
  }

  /** c + a b, or c - a b; b may be a splat. */
  multiplyAdd(c: Lanes, a: Lanes, b: Lanes | Local, negative = false): Lanes {
    const splat = "index" in b ? b : null;
    return this.#each("index" in b ? [a, c] : [a, c, b], (half, x, z, y) => {
      const factor = splat ?? y[half];
      if (this.#code.fma)
        this.#f
          .get(x[half])
          .get(factor)
          .get(z[half])
          .op(negative ? "f32x4.relaxed_nmadd" : "f32x4.relaxed_madd");
      else
        this.#f
          .get(z[half])
          .get(x[half])
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
    const [wr, wi] = this.#splats;
    this.step(() =>
      [wr, wi].forEach((local, i) => {
        this.#f
          .get(at)
          .memory("v128.load32_splat", offset + 4 * i)
          .set(local);
      }),
    );
    return [this.multiplyAdd(this.scale(re, wr), im, wi, !conjugate), this.multiplyAdd(this.scale(im, wr), re, wi, conjugate)];
  }
}
