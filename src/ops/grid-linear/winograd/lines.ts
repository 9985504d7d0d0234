import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";

/**
 * Winograd's minimal filtering F(m, 3) on one axis: m cells of a correlation with 3 taps from m + 2 products. Polynomials are
 * evaluated at 0, at +p and -p for each p of `points`, and at infinity, so m = 2 * points.length.
 * Source: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
 */
export interface Form {
  readonly points: readonly number[];
}

/** F(2, 3): multiplies by powers of two only, so that small integers stay exact. */
export const formOfTwo: Form = { points: [1] };

/**
 * F(4, 3). The points 3/4 and 3/2 are exact in binary with all the powers that the transforms need, cost as many operations
 * as the usual 1 and 2, and make errors of half the size (a third, in the worst cell).
 */
export const formOfFour: Form = { points: [3 / 4, 3 / 2] };

/** Result cells of a tile along one axis, and source cells that they need. */
export const tileOf = ({ points }: Form): number => 2 * points.length;
export const spanOf = (form: Form): number => tileOf(form) + 2;

/** Coefficients of the product of (z - root), lowest power first. */
const product = (roots: readonly number[]): number[] =>
  roots.reduce((sum, root) => Array.from({ length: sum.length + 1 }, (_, i) => (sum[i - 1] ?? 0) - root * (sum[i] ?? 0)), [1]);

const squares = ({ points }: Form): number[] => points.map((point) => point * point);
/** The polynomial in z = x^2 that is zero at all points, and the one that is zero at all but one. */
const whole = (form: Form): number[] => product(squares(form));
const without = (form: Form, index: number): number[] => product(squares(form).filter((_, i) => i !== index));
const evaluate = (coefficients: readonly number[], z: number): number => coefficients.reduceRight((sum, value) => sum * z + value, 0);

/** Methods of `LineCode`. */
export type Transform = "source" | "result" | "kernel" | "spread" | "collect";

/**
 * The transforms of one line as straight code on four lanes. Made where the code stands before its loops: it sets its constants into
 * locals there.
 */
export class LineCode {
  readonly #f: FunctionBuilder;
  readonly #form: Form;
  readonly #fma: boolean;
  readonly #numbers = new Map<number, Local>();
  readonly #spare: Local;

  constructor(f: FunctionBuilder, form: Form, fma: boolean, transform: Transform) {
    this.#f = f;
    this.#form = form;
    this.#fma = fma;
    this.#spare = f.local("v128");
    for (const value of numbersOf(form, transform).map(Math.abs)) {
      if (value === 1 || this.#numbers.has(value)) continue;
      const local = f.local("v128");
      f.f32x4(value).set(local);
      this.#numbers.set(value, local);
    }
  }

  /** into = other + factor * term, where |factor| is 1 or a constant that was set. */
  #add(into: Local, other: Local, factor: number, term: Local): void {
    const f = this.#f;
    const size = this.#numbers.get(Math.abs(factor));
    if (size === undefined)
      f.get(other)
        .get(term)
        .op(factor < 0 ? "f32x4.sub" : "f32x4.add");
    else if (this.#fma)
      f.get(term)
        .get(size)
        .get(other)
        .op(factor < 0 ? "f32x4.relaxed_nmadd" : "f32x4.relaxed_madd");
    else
      f.get(other)
        .get(term)
        .get(size)
        .op("f32x4.mul", factor < 0 ? "f32x4.sub" : "f32x4.add");
    f.set(into);
  }

  /** into = factor * term */
  #scale(into: Local, factor: number, term: Local): void {
    const size = this.#numbers.get(Math.abs(factor));
    this.#f.get(term);
    if (size !== undefined) this.#f.get(size).op("f32x4.mul");
    if (factor < 0) this.#f.op("f32x4.neg");
    this.#f.set(into);
  }

  /** plus = even + factor * odd, minus = even - factor * odd; the inputs may lie in the outputs. */
  #pair(plus: Local, minus: Local, even: Local, factor: number, odd: Local): void {
    this.#add(this.#spare, even, factor, odd);
    this.#add(minus, even, -factor, odd);
    this.#f.get(this.#spare).set(plus);
  }

  /** sum of coefficient * d[first + 2 i], of which the leading coefficient is 1; the local that it lies in. */
  #sum(into: Local, coefficients: readonly number[], d: readonly Local[], first: number): Local {
    const leading = coefficients.length - 1;
    let sum = d[first + 2 * leading];
    for (let i = leading - 1; i >= 0; i--) {
      this.#add(into, sum, coefficients[i], d[first + 2 * i]);
      sum = into;
    }
    return sum;
  }

  /** B^T d: as many values as source cells. */
  source(d: readonly Local[], out: readonly Local[]): void {
    const all = whole(this.#form);
    this.#sum(out[0], all, d, 0);
    this.#form.points.forEach((point, i) => {
      const [plus, minus] = [out[1 + 2 * i], out[2 + 2 * i]];
      const others = without(this.#form, i);
      const even = this.#sum(plus, others, d, 2);
      const odd = this.#sum(minus, others, d, 1);
      this.#pair(plus, minus, even, point, odd);
    });
    this.#sum(out[out.length - 1], all, d, 1);
  }

  /** A^T m: the result cells of products. The products are lost. */
  result(m: readonly Local[], out: readonly Local[]): void {
    const { points } = this.#form;
    points.forEach((_, i) => this.#pair(m[1 + 2 * i], m[2 + 2 * i], m[1 + 2 * i], 1, m[2 + 2 * i]));
    out.forEach((cell, power) => {
      const terms = points.map((point, i) => ({ factor: point ** power, value: m[(power % 2 === 0 ? 1 : 2) + 2 * i] }));
      const extra = power === 0 ? m[0] : power === out.length - 1 ? m[m.length - 1] : null;
      if (extra === null) this.#scale(cell, terms[0].factor, terms[0].value);
      else this.#add(cell, extra, terms[0].factor, terms[0].value);
      for (const { factor, value } of terms.slice(1)) this.#add(cell, cell, factor, value);
    });
  }

  /** G g: values of the kernel's polynomial at the points, over what the source transform left out. */
  kernel(g: readonly Local[], out: readonly Local[]): void {
    const form = this.#form;
    this.#scale(out[0], 1 / evaluate(whole(form), 0), g[0]);
    form.points.forEach((point, i) => {
      const [plus, minus] = [out[1 + 2 * i], out[2 + 2 * i]];
      const norm = normOf(form, i);
      this.#scale(plus, norm, g[0]);
      this.#add(plus, plus, norm * point ** 2, g[2]);
      this.#pair(plus, minus, plus, norm * point, g[1]);
    });
    this.#f.get(g[2]).set(out[out.length - 1]);
  }

  /** A z, the adjoint of `result`: values of the polynomial with the cells of a tile as coefficients. */
  spread(z: readonly Local[], out: readonly Local[]): void {
    const powers = (into: Local, point: number, first: number): Local => {
      for (let power = first + 2; power < z.length; power += 2)
        this.#add(into, power === first + 2 ? z[first] : into, point ** (power - first), z[power]);
      return z.length > first + 2 ? into : z[first];
    };
    this.#f.get(z[0]).set(out[0]);
    this.#form.points.forEach((point, i) => {
      const [plus, minus] = [out[1 + 2 * i], out[2 + 2 * i]];
      const even = powers(plus, point, 0);
      this.#pair(plus, minus, even, point, powers(minus, point, 1));
    });
    this.#f.get(z[z.length - 1]).set(out[out.length - 1]);
  }

  /** G^T m, the adjoint of `kernel`: 3 taps of products. The products are lost. */
  collect(m: readonly Local[], out: readonly Local[]): void {
    const form = this.#form;
    form.points.forEach((_, i) => this.#pair(m[1 + 2 * i], m[2 + 2 * i], m[1 + 2 * i], 1, m[2 + 2 * i]));
    this.#scale(out[0], 1 / evaluate(whole(form), 0), m[0]);
    form.points.forEach((point, i) => {
      const factor = normOf(form, i);
      this.#add(out[0], out[0], factor, m[1 + 2 * i]);
      if (i === 0) this.#scale(out[1], factor * point, m[2]);
      else this.#add(out[1], out[1], factor * point, m[2 + 2 * i]);
      this.#add(out[2], i === 0 ? m[m.length - 1] : out[2], factor * point ** 2, m[1 + 2 * i]);
    });
  }
}

/** What the source transform leaves out of the values at a point and its negative. */
const normOf = (form: Form, index: number): number => {
  const square = form.points[index] ** 2;
  return 1 / (2 * square * evaluate(without(form, index), square));
};

function numbersOf(form: Form, transform: Transform): number[] {
  const { points } = form;
  if (transform === "source") return [...points, ...whole(form), ...points.flatMap((_, i) => without(form, i))];
  if (transform === "result") return points.flatMap((point) => Array.from({ length: tileOf(form) }, (_, power) => point ** power));
  if (transform === "spread") return tileOf(form) > 2 ? [...points, ...squares(form)] : [...points];
  const norms = points.map((_, i) => normOf(form, i));
  const taps = points.flatMap((point, i) => [norms[i] * point, norms[i] * point ** 2]);
  return [...taps, ...norms, 1 / evaluate(whole(form), 0)];
}
