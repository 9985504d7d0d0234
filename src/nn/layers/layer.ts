import { fail, type Problems } from "../../base/errors.ts";
import { printType } from "../../base/types.ts";
import type { Border, Padding } from "../../grid/axis.ts";
import type { Value } from "../../ops/contract.ts";
import type { Layer, Scope } from "../scope.ts";

/** A layer with the options that it was made with. */
export type LayerWith<O> = Layer & { readonly options: O };

/**
 * Makes a layer: a frozen record that knows its kind and options, and notes itself for the table of `inspect`.
 * Example: `layer("double", {}, (input) => multiply(input, 2))`
 */
export function layer<O extends object>(kind: string, options: O, apply: (input: Value, scope: Scope) => Value): LayerWith<O> {
  return Object.freeze({
    kind,
    options: Object.freeze({ ...options }),
    apply(input: Value, scope: Scope): Value {
      const output = apply(input, scope);
      scope.note(kind, output);
      return output;
    },
  });
}

/** A value for each of `axes` axes from one value or a list. */
export function perAxis<T>(value: T | readonly T[], axes: number, kind = "layer", what = "values"): T[] {
  if (!Array.isArray(value)) return new Array<T>(axes).fill(value as T);
  const list = value as readonly T[];
  if (list.length !== axes)
    fail(kind, "", what, `one for all axes, or ${axes} as the input has ${axes} axes`, `${list.length} (${list.join(", ")})`);
  return [...list];
}

/** Number of axes behind examples and channels. */
export const axesOf = (input: Value): number => input.type.shape.length - 2;

/** Channels and extents of an input [examples, channels, ...extents] with at least `least` axes. Throws: when it is of another form. */
export function partsOf(input: Value, kind: string, least = 1): { channels: number; extents: readonly number[] } {
  const { shape, batched } = input.type;
  const form = least > 0 ? `[examples, channels, ${least} to 3 extents]` : "[examples, channels, ...extents]";
  if (!batched || shape.length - 2 < least) fail(kind, "", "input", form, printType(input.type));
  return { channels: shape[1], extents: shape.slice(2) };
}

/** Shape of a value per channel, as pointwise lines it up: [channels, 1, ...]. */
export const perChannel = (channels: number, extents: readonly number[]): number[] => [channels, ...extents.map(() => 1)];

/** Notes extents, strides or dilations that are no whole numbers >= 1. */
export function checkWhole(problems: Problems, what: string, values: readonly number[]): boolean {
  const whole = values.every((value) => Number.isInteger(value) && value >= 1);
  return problems.check(whole, what, "whole numbers >= 1", `[${values.join(", ")}]`);
}

const words: readonly unknown[] = ["valid", "same", "full", "causal"];
const isCells = (value: unknown): boolean => typeof value === "number" && Number.isInteger(value) && value >= 0;

/** Notes padding that is neither a word nor cells. */
export function checkPadding(problems: Problems, values: readonly Padding[]): boolean {
  const isPadding = (value: unknown): boolean =>
    words.includes(value) ||
    isCells(value) ||
    (typeof value === "object" && value !== null && "low" in value && "high" in value && isCells(value.low) && isCells(value.high));
  const wrong = values.find((value) => !isPadding(value));
  return problems.check(wrong === undefined, "padding", `${words.join(", ")}, cells >= 0, or { low, high }`, JSON.stringify(wrong));
}

const borders: readonly unknown[] = ["zero", "wrap", "reflect", "replicate"];

/** Notes an unknown border. */
export function checkBorder(problems: Problems, values: readonly Border[]): boolean {
  const wrong = values.find((value) => !borders.includes(value));
  return problems.check(wrong === undefined, "border", borders.join(", "), JSON.stringify(wrong));
}
