import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { type Complex, type LaneCode, VectorCode } from "./vectors.ts";

/** Factors of a length, in the order of the stages; null where it has others than 2 and 3. */
export function radicesOf(length: number): number[] | null {
  const radices: number[] = [];
  let left = length;
  for (const radix of [4, 3, 2])
    while (left % radix === 0) {
      radices.push(radix);
      left /= radix;
    }
  return left === 1 ? radices : null;
}

/** Where each frequency lies after the stages, which work in place: its digits in the opposite order. */
export function placesOf(length: number): number[] {
  const place = (frequency: number, [radix, ...rest]: readonly number[], cells: number): number =>
    radix === undefined ? 0 : (frequency % radix) * (cells / radix) + place(Math.floor(frequency / radix), rest, cells / radix);
  const radices = radicesOf(length) ?? [];
  return Array.from({ length }, (_, frequency) => place(frequency, radices, length));
}

/** e^(-2 pi i part / whole) */
export function root(part: number, whole: number): [number, number] {
  const angle = (2 * Math.PI * (part % whole)) / whole;
  return [Math.cos(angle), -Math.sin(angle)];
}

/** Roots of unity by stage, cell of the stage and output of the butterfly, as the code reads them; the last stage needs none. */
export function rootsOf(length: number): number[] {
  const roots: number[] = [];
  let cells = length;
  for (const radix of radicesOf(length) ?? []) {
    const step = cells / radix;
    for (let j = 0; j < step && step > 1; j++) for (let q = 1; q < radix; q++) roots.push(...root(j * q, cells));
    cells = step;
  }
  return roots;
}

/** y[q] = sum over p of x[p] e^(-2 pi i p q / radix), the sign turned for the inverse. */
function butterfly(v: VectorCode, thirds: readonly Local[], x: readonly Complex[], inverse: boolean): Complex[] {
  if (x.length === 2) return [v.sum(x[0], x[1]), v.difference(x[0], x[1])];
  if (x.length === 3) {
    const [both, apart] = [v.sum(x[1], x[2]), v.difference(x[1], x[2])];
    const middle: Complex = [v.multiplyAdd(x[0][0], both[0], thirds[0], true), v.multiplyAdd(x[0][1], both[1], thirds[0], true)];
    const across: Complex = [v.scale(apart[0], thirds[1]), v.scale(apart[1], thirds[1])];
    return [v.sum(x[0], both), v.addTurned(middle, across, !inverse), v.addTurned(middle, across, inverse)];
  }
  const [a, b] = [v.sum(x[0], x[2]), v.difference(x[0], x[2])];
  const [c, d] = [v.sum(x[1], x[3]), v.difference(x[1], x[3])];
  return [v.sum(a, c), v.addTurned(b, d, !inverse), v.difference(a, c), v.addTurned(b, d, inverse)];
}

/**
 * Complex transform in place of one axis, decimated in frequency (the inverse in time, not divided by the length), so that frequencies lie
 * as `placesOf` says and nothing has to be sorted. Arguments: first cell, lines side by side (complex cells), table of roots.
 * `pitch` is the bytes from a cell of the axis to the next.
 */
export const addLines = (module: ModuleBuilder, code: LaneCode, length: number, pitch: number, inverse: boolean): number =>
  module.function(["i32", "i32", "i32"], [], (f) => emitLines(f, code, { length, pitch, inverse }));

interface Line {
  readonly length: number;
  readonly pitch: number;
  readonly inverse: boolean;
}

interface Stage {
  readonly radix: number;
  /** Cells of the parts that it works on, and bytes of the roots before its own. */
  readonly cells: number;
  readonly roots: number;
}

function stagesOf(length: number): Stage[] {
  let [cells, roots] = [length, 0];
  return (radicesOf(length) ?? []).map((radix) => {
    const stage = { radix, cells, roots };
    if (cells > radix) roots += (8 * (radix - 1) * cells) / radix;
    cells /= radix;
    return stage;
  });
}

function emitLines(f: FunctionBuilder, code: LaneCode, line: Line): void {
  const stages = stagesOf(line.length);
  const thirds = f.locals("v128", 2);
  f.f32x4(0.5).set(thirds[0]);
  f.f32x4(Math.sqrt(0.75)).set(thirds[1]);
  for (const stage of line.inverse ? stages.reverse() : stages) emitStage(f, code, line, stage, thirds);
}

function emitStage(f: FunctionBuilder, code: LaneCode, { length, pitch, inverse }: Line, stage: Stage, thirds: readonly Local[]): void {
  const [base, lines, roots] = f.parameters;
  const [part, cell, at, table, parts, left, count] = f.locals("i32", 7);
  const v = new VectorCode(f, code);
  const { radix, cells } = stage;
  const step = cells / radix;
  const turned = (z: Complex, q: number): Complex => (step === 1 || q === 0 ? z : v.turn(z, table, 8 * (q - 1), inverse));
  const one = (): void => {
    const x = Array.from({ length: radix }, (_, q) => {
      const loaded = v.loadComplex(at, q * step * pitch);
      return inverse ? turned(loaded, q) : loaded;
    });
    const y = butterfly(v, thirds, x, inverse);
    const stored = inverse ? y : y.map(turned);
    stored.forEach((z, q) => void v.storeComplex(at, q * step * pitch, z));
    v.write();
  };
  const times = (counter: Local, body: () => void): void =>
    void f.loop((again) => {
      body();
      f.get(counter).i32(1).op("i32.sub").tee(counter).branchIf(again);
    });
  f.get(base).set(part);
  f.i32(length / cells).set(parts);
  times(parts, () => {
    f.get(part).set(cell);
    f.get(roots).i32(stage.roots).op("i32.add").set(table);
    f.i32(step).set(left);
    times(left, () => {
      f.get(cell).set(at);
      f.get(lines).set(count);
      times(count, () => {
        one();
        advance(f, at, 8 * code.lanes);
      });
      advance(f, cell, pitch);
      advance(f, table, 8 * (radix - 1));
    });
    advance(f, part, cells * pitch);
  });
}
