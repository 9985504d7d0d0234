/** What lies beyond the border of an axis. */
export type Border = "zero" | "wrap" | "reflect" | "replicate";

/**
 * One axis of a grid-linear problem. Term (tap, input cell, output cell): input = output * stride + tap * dilation - low,
 * where a cell beyond the border is mapped by `border`; the kernel copy used at an output cell is output mod period.
 */
export interface Axis {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly high: number;
  readonly period: number;
  readonly border: Border;
  readonly output: number;
}

/** Cells that a dilated kernel spans: (k - 1) d + 1. */
export const span = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

/** Output extent: m = floor((n + low + high - span) / s) + 1. Source: Goodfellow et al. 2016, section 9.5. */
export function outputExtent(input: number, kernel: number, stride: number, dilation: number, low: number, high: number): number {
  return Math.floor((input + low + high - span(kernel, dilation)) / stride) + 1;
}

/** The input cell at a position that may lie beyond the border; -1 for a zero. */
export function bordered(position: number, extent: number, border: Border): number {
  if (position >= 0 && position < extent) return position;
  switch (border) {
    case "zero":
      return -1;
    case "wrap":
      return ((position % extent) + extent) % extent;
    case "replicate":
      return position < 0 ? 0 : extent - 1;
    case "reflect": {
      const cycle = Math.max(1, 2 * (extent - 1));
      const folded = ((position % cycle) + cycle) % cycle;
      return folded < extent ? folded : cycle - folded;
    }
  }
}

/** Input cell of a term, or -1. */
export function inputCell(axis: Axis, tap: number, output: number): number {
  return bordered(output * axis.stride + tap * axis.dilation - axis.low, axis.input, axis.border);
}

/** All terms of an axis as (copy, tap, input, output), in the order output, tap. */
export function axisTerms(axis: Axis): { copy: number; tap: number; input: number; output: number }[] {
  const terms = [];
  for (let output = 0; output < axis.output; output++) {
    for (let tap = 0; tap < axis.kernel; tap++) {
      const input = inputCell(axis, tap, output);
      if (input >= 0) terms.push({ copy: output % axis.period, tap, input, output });
    }
  }
  return terms;
}

/** Number of terms of an axis. */
export function axisTermCount({ input, kernel, stride, dilation, low, output, border }: Axis): number {
  if (border !== "zero") return kernel * output;
  let count = 0;
  for (let tap = 0; tap < kernel; tap++) {
    const reach = tap * dilation - low;
    const first = Math.max(0, Math.ceil(-reach / stride));
    const last = Math.min(output - 1, Math.floor((input - 1 - reach) / stride));
    count += Math.max(0, last - first + 1);
  }
  return count;
}

/** Padding by name, or in cells (low and high apart). */
export type Padding = "valid" | "same" | "full" | "causal" | number | { readonly low: number; readonly high: number };

/** Cells of padding that a word stands for. `same`: output = ceil(n / s), the odd cell at the high end. */
export function paddingCells(
  padding: Padding,
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
): { low: number; high: number } {
  const reach = span(kernel, dilation) - 1;
  if (typeof padding === "number") return { low: padding, high: padding };
  if (typeof padding === "object") return { low: padding.low, high: padding.high };
  switch (padding) {
    case "valid":
      return { low: 0, high: 0 };
    case "full":
      return { low: reach, high: reach };
    case "causal":
      return { low: reach, high: 0 };
    case "same": {
      const total = Math.max(0, (Math.ceil(input / stride) - 1) * stride + reach + 1 - input);
      return { low: Math.floor(total / 2), high: Math.ceil(total / 2) };
    }
  }
}
