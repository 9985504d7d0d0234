import { fail } from "../base/errors.ts";
import type { DType, TensorType } from "../base/types.ts";

/**
 * Types in a problem line: extents joined by x, `n` for the example axis, `.` for a scalar, the element type in front where
 * it is not f32: `nx3x5,3x1,i32:n,.`.
 */
export function printTypes(types: readonly TensorType[]): string {
  return types
    .map(({ dtype, shape, batched }) => {
      const extents = batched ? ["n", ...shape.slice(1)] : shape;
      return `${dtype === "f32" ? "" : `${dtype}:`}${extents.length === 0 ? "." : extents.join("x")}`;
    })
    .join(",");
}

/** Reads what `printTypes` wrote, for a number of examples. */
export function parseTypes(room: string, text: string, examples: number): TensorType[] {
  if (text === "-") return [];
  return text.split(",").map((word) => {
    const match = /^(?:(i32|u8):)?(\.|n|(?:n|\d+)(?:x\d+)*)$/.exec(word);
    if (match === null) fail(room, "line", "type", "extents joined by x, such as nx3x5", word);
    const extents = match[2] === "." ? [] : match[2].split("x");
    const batched = extents[0] === "n";
    return { dtype: (match[1] ?? "f32") as DType, shape: extents.map((extent) => (extent === "n" ? examples : Number(extent))), batched };
  });
}

/** `n4 ` when any of the types is batched. */
export function printExamples(types: readonly TensorType[]): string {
  const batched = types.find((type) => type.batched);
  return batched === undefined ? "" : ` n${batched.shape[0]}`;
}

/** The parts of a line between bars; the first without the operator's name. Throws: when name or number of parts are wrong. */
export function splitLine(
  line: string,
  name: string,
  parts: number,
  example: string,
): { words: string[]; examples: number; rest: string[] } {
  const [head, ...rest] = line.trim().split(" | ");
  const words = head.split(" ");
  if (words[0] !== name || rest.length !== parts) fail(name, "line", "problem line", `\`${example}\``, `\`${line}\``);
  const counted = words.find((word) => /^n\d+$/.test(word));
  return { words: words.slice(1).filter((word) => word !== counted), examples: counted === undefined ? 1 : Number(counted.slice(1)), rest };
}

/** Numbers joined by x; `-` for none. */
export const printNumbers = (values: readonly number[]): string => (values.length === 0 ? "-" : values.join("x"));

export function parseNumbers(room: string, text: string): number[] {
  if (text === "-") return [];
  const values = text.split("x").map(Number);
  if (!values.every(Number.isInteger)) fail(room, "line", "numbers", "whole numbers joined by x", text);
  return values;
}
