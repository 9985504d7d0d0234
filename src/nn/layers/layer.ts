import type { Value } from "../../ops/contract.ts";
import type { Layer, Scope } from "../scope.ts";

/** Makes a layer: a frozen record that knows its kind and options, and notes itself for the table of `inspect`. */
export function layer<O extends object>(kind: string, options: O, apply: (input: Value, scope: Scope) => Value): Layer & { readonly options: O } {
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
export const perAxis = <T>(value: T | readonly T[], axes: number): T[] => Array.from({ length: axes }, (_, i) => (Array.isArray(value) ? (value as readonly T[])[i] : (value as T)));

/** Number of axes behind examples and channels. */
export const axesOf = (input: Value): number => input.type.shape.length - 2;
