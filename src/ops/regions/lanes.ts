import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";

/** The channels that are worked on together: the lanes of a block, or one channel of a plain value. */
export class Lanes {
  /** Vectors of a block; one scalar where there is none. */
  readonly count: number;
  readonly scalar: boolean;
  /** Flat cell of each lane less that of the first. */
  readonly #apart: readonly Local[];
  readonly #f: FunctionBuilder;

  constructor(f: FunctionBuilder, block: number, channelCells: number) {
    this.#f = f;
    this.scalar = block === 1;
    this.count = this.scalar ? 1 : block / 4;
    this.#apart = f.locals("v128", this.scalar ? 0 : this.count);
    const cell = (lane: number): number => lane * channelCells;
    this.#apart.forEach((apart, v) => f.i32x4(cell(4 * v), cell(4 * v + 1), cell(4 * v + 2), cell(4 * v + 3)).set(apart));
  }

  each(body: (v: number) => void): void {
    for (let v = 0; v < this.count; v++) body(v);
  }

  floats(): Local[] {
    return this.#f.locals(this.scalar ? "f32" : "v128", this.count);
  }

  integers(): Local[] {
    return this.#f.locals(this.scalar ? "i32" : "v128", this.count);
  }

  load(at: Local, v: number, what: "f32" | "i32" = "f32"): void {
    this.#f.get(at).memory(this.scalar ? `${what}.load` : "v128.load", 16 * v);
  }

  store(at: Local, from: readonly Local[], what: "f32" | "i32" = "f32"): void {
    this.each((v) => {
      this.#f
        .get(at)
        .get(from[v])
        .memory(this.scalar ? `${what}.store` : "v128.store", 16 * v);
    });
  }

  /** Pushes a float or an i32 in all lanes. */
  float(value: number): void {
    if (this.scalar) this.#f.f32(value);
    else this.#f.f32x4(value);
  }

  integer(value: number): void {
    if (this.scalar) this.#f.i32(value);
    else this.#f.i32x4(value);
  }

  /** Pushes an i32 local in all lanes. */
  all(local: Local): void {
    this.#f.get(local);
    if (!this.scalar) this.#f.op("i32x4.splat");
  }

  /** Adds to the cell on the stack what lies between the lanes. */
  apart(v: number): void {
    if (!this.scalar) this.#f.get(this.#apart[v]).op("i32x4.add");
  }

  /** The larger of the stack's value and 0; NaN stays. */
  positive(): void {
    this.float(0);
    // unlike max, which has to tell -0 from 0, it is one instruction
    this.#f.op(this.scalar ? "f32.max" : "f32x4.pmax");
  }

  op(name: "add" | "mul" | "le" | "eq"): void {
    this.#f.op(this.scalar ? `f32.${name}` : `f32x4.${name}`);
  }

  addIntegers(): void {
    this.#f.op(this.scalar ? "i32.add" : "i32x4.add");
  }

  /** Of the stack's a, b, mask: a where the mask is set, else b. */
  select(): void {
    this.#f.op(this.scalar ? "select" : "v128.bitselect");
  }

  /** Pushes the mask of what is larger than the best so far, or the first NaN. */
  better(value: Local, best: Local): void {
    const f = this.#f.get(best).get(best);
    this.op("eq");
    f.get(value).get(best);
    this.op("le");
    if (this.scalar) f.op("i32.eqz", "i32.and");
    else f.op("v128.andnot");
  }

  /** Turns an f32 and two i32 on the stack into the f32 where the two are equal, and 0 elsewhere. */
  whereEqual(f32: () => void, a: () => void, b: () => void): void {
    f32();
    if (this.scalar) this.#f.f32(0);
    a();
    b();
    if (this.scalar) this.#f.op("i32.eq", "select");
    else this.#f.op("i32x4.eq", "v128.and");
  }
}
