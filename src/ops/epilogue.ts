import { invariant } from "../base/errors.ts";
import type { TensorType } from "../base/types.ts";
import type { FunctionBuilder, Local } from "../emit/wasm/function.ts";
import { advance } from "../emit/wasm/vectors.ts";
import type { Fusion, Layout } from "./contract.ts";
import { printExpression } from "./expression/print.ts";
import { emitExpression, hoistConstants, zeroAtZero } from "./expression/print-wasm.ts";
import { operandsOf } from "./expression/simplify.ts";
import { type Placement, place, printLayout } from "./layout.ts";
import { printTypes } from "./line.ts";
import { type Reading, readingOf } from "./reading.ts";
import { emitBase, emitHeld, makeSource, pushSource, type Source } from "./sources.ts";
import { emitSpareMask } from "./spare.ts";

/**
 * The epilogue of a fusion, ready to be emitted by any producer. Use:
 * - `const epilogue = planEpilogue(...)` in `layouts` and `refuses` (read `refusal`) and again in `emit`;
 * - `const code = epilogue.begin(f, firstOperand, fma)` at the start of the function, before its loops;
 * - `code.prepare(position)` wherever example, block or row change: `position` pushes the coordinates of a first cell;
 * - `code.apply(pushResult, cell, part)` for each vector: leaves the formula's four lanes on the stack;
 * - `code.advance(cells)` to move on along the row by a constant number of cells, when it is not done by `prepare`.
 * With no fusion `apply` pushes the result (masked where the result itself needs it).
 */
export interface Epilogue {
  /** Why it cannot be fused, as a sentence; null when it can. */
  readonly refusal: string | null;
  /** What the code depends on: part of the routine's key. */
  readonly key: string;
  begin(f: FunctionBuilder, firstOperand: number, fma: boolean): EpilogueCode;
}

/** A cell of the result; what is absent is 0. */
export interface Position {
  example?(): void;
  /** Block of channels, or channel of a plain result. */
  block?(): void;
  /** One for each axis behind the channel axis. */
  readonly cells?: readonly (() => void)[];
}

export interface EpilogueCode {
  prepare(position: Position): void;
  /** `cell`: how far along the row from the prepared cell; `part`: which four channels of the block (0 for a plain result, whose vectors hold four cells). */
  apply(pushResult: () => void, cell: number, part: number): void;
  advance(cells: number): void;
}

/**
 * Plans the epilogue of a producer of `output`. `spare` says what the producer's own result is in spare lanes: "zero" when it
 * is exactly 0 there, "any" when the epilogue has to clear them.
 */
export function planEpilogue(
  fusion: Fusion | null,
  output: TensorType,
  layout: Layout,
  operandLayouts: readonly Layout[],
  spare: "zero" | "any" = "any",
): Epilogue {
  const at = place(output, layout);
  const read = fusion === null ? [] : operandsOf(fusion.epilogue).filter((index) => index > 0);
  const found = read.map((index) => readingOf((fusion as Fusion).operands[index - 1], operandLayouts[index - 1], output, layout.block));
  const readings = found.filter((reading) => typeof reading !== "string");
  const refusal = found.find((reading) => typeof reading === "string") ?? repeated(readings, at);
  const free = read.filter((_, i) => readings[i]?.clean === false);
  const still = spare === "zero" && (fusion === null || zeroAtZero(fusion.epilogue, free));
  const masked = layout.block > 1 && at.channels % layout.block !== 0 && !still;
  const key =
    fusion === null
      ? "plain"
      : `${printExpression(fusion.epilogue)} ${printTypes(fusion.operands)} ${operandLayouts.map(printLayout).join(" ")}`;
  return {
    refusal,
    key: `${key}${masked ? " masked" : ""}`,
    begin: (f, firstOperand, fma) => {
      invariant(refusal === null, () => `epilogue: ${refusal}`);
      return new Code(f, { fusion, at, read, readings, masked, fma, firstOperand });
    },
  };
}

/** A vector cannot begin anew in the middle of a row. */
function repeated(readings: readonly Reading[], at: Placement): string | null {
  const last = at.extents.length;
  const extent = last === 0 ? at.blocks : at.extents[last - 1];
  const repeats = readings.some(({ moves }) => moves[last].extent > 1 && moves[last].extent < extent);
  return repeats ? "an operand repeats along the rows of the result." : null;
}

interface Parts {
  readonly fusion: Fusion | null;
  readonly at: Placement;
  /** Operands of the formula that are read, apart from the result. */
  readonly read: readonly number[];
  readonly readings: readonly Reading[];
  readonly masked: boolean;
  readonly fma: boolean;
  readonly firstOperand: number;
}

class Code implements EpilogueCode {
  readonly #f: FunctionBuilder;
  readonly #parts: Parts;
  readonly #sources: readonly Source[];
  readonly #constants: ReturnType<typeof hoistConstants> | undefined;
  readonly #scratch: Local[] = [];
  #masks: readonly Local[] = [];

  constructor(f: FunctionBuilder, parts: Parts) {
    const { fusion, at, readings, fma } = parts;
    this.#f = f;
    this.#parts = parts;
    this.#constants = fusion === null ? undefined : hoistConstants(f, fusion.epilogue, fma);
    const last = at.extents.length;
    this.#sources = readings.map((reading) => makeSource(f, reading, at.block, reading.moves[last].extent === 1));
  }

  prepare({ example, block, cells }: Position): void {
    const f = this.#f;
    const { at, read, readings, masked, firstOperand } = this.#parts;
    const coordinates = [block, ...(cells ?? [])];
    this.#sources.forEach((source, i) => {
      emitBase(f, source, firstOperand + read[i] - 1, example === undefined ? null : () => example());
      f.get(source.base);
      coordinates.forEach((push, axis) => {
        const { extent, step } = readings[i].moves[axis];
        if (push === undefined || extent === 1 || step === 0) return;
        push();
        if (extent < (axis === 0 ? at.blocks : at.extents[axis - 1])) f.i32(extent).op("i32.rem_u");
        f.i32(4 * step).op("i32.mul", "i32.add");
      });
      f.set(source.pointer);
    });
    emitHeld(f, this.#sources, at.block, at.channels);
    if (!masked) return;
    const number = f.local("i32");
    if (block === undefined) f.i32(0);
    else block();
    f.set(number);
    this.#masks = emitSpareMask(f, at.block, at.channels, number);
  }

  apply(pushResult: () => void, cell: number, part: number): void {
    const f = this.#f;
    const { fusion, read, fma, masked } = this.#parts;
    if (fusion === null) pushResult();
    else {
      const vector = (index: number): void => (index === 0 ? pushResult() : pushSource(f, this.#sources[read.indexOf(index)], cell, part));
      emitExpression(f, fusion.epilogue, { vector, fma, constants: this.#constants, scratch: this.#scratch });
    }
    if (masked) f.get(this.#masks[part]).op("v128.and");
  }

  advance(cells: number): void {
    for (const { kind, pointer, reading } of this.#sources)
      if (kind === "stream" || kind === "cell") advance(this.#f, pointer, 4 * reading.runStep * cells);
  }
}
