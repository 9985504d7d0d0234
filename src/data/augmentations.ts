import { Problems } from "../base/errors.ts";
import type { Augmentation } from "./dataset.ts";

/** Named augmentations. */
export const augmentations: { readonly [name in "none" | "digits" | "photographs"]: Augmentation } = Object.freeze({
  none: Object.freeze({}),
  digits: Object.freeze({ shift: 0.08, rotate: 10, scale: 0.1, fill: "zero" as const }),
  photographs: Object.freeze({
    flip: [1],
    crop: 0.6,
    rotate: 12,
    brightness: 0.12,
    contrast: 0.25,
    saturation: 0.25,
    fill: "edge" as const,
  }),
});

/** Options that take one number: least and greatest, and the value when only the name is given. */
const ranges = {
  shift: [0, 1, 0.1],
  rotate: [0, 180, 15],
  scale: [0, 4, 0.1],
  crop: [0.05, 1, 0.7],
  brightness: [0, 1, 0.1],
  contrast: [0, 4, 0.2],
  saturation: [0, 4, 0.2],
  noise: [0, 1, 0.05],
  cutout: [0, 1, 0.25],
} as const;

type Ranged = keyof typeof ranges;

function isRanged(name: string): name is Ranged {
  return Object.hasOwn(ranges, name);
}

function isPreset(name: string): name is keyof typeof augmentations {
  return Object.hasOwn(augmentations, name);
}

/**
 * Checks an augmentation against examples with `axes` axes.
 *
 * Throws: ToeplitzError naming every option out of range.
 */
export function checkAugmentation(augmentation: Augmentation, axes: number, where = ""): void {
  const problems = new Problems("augment", where);
  for (const [name, value] of Object.entries(augmentation)) {
    if (value === undefined) continue;
    if (isRanged(name)) {
      const [low, high] = ranges[name];
      problems.check(typeof value === "number" && value >= low && value <= high, name, `a number from ${low} to ${high}`, value);
    } else if (name === "flip") {
      const right = Array.isArray(value) && value.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < axes);
      problems.check(right, "flip", `axes from 0 to ${axes - 1}`, JSON.stringify(value));
    } else if (name === "fill") problems.check(value === "edge" || value === "zero", "fill", "edge or zero", value);
    else problems.check(false, "option", `one of ${optionNames().join(", ")}`, name);
  }
  problems.check(!augmentation.rotate || axes >= 2, "rotate", "at least 2 axes to turn in", `${axes}`);
  problems.throwIfAny();
}

function optionNames(): string[] {
  return ["flip", ...Object.keys(ranges), "fill"];
}

const flipWords: { readonly [word: string]: (axes: number) => number[] } = {
  horizontal: (axes) => [axes - 1],
  vertical: (axes) => [axes - 2],
  both: (axes) => [axes - 2, axes - 1],
};

/**
 * Reads an augmentation from text: names of presets and options, separated by commas; later ones win.
 *
 * Throws: ToeplitzError naming every part that is not understood.
 * Example: `parseAugmentation("photographs,flip=both,shift=0.1,rotate=15,fill=zero")`
 */
export function parseAugmentation(text: string, axes = 2): Augmentation {
  const problems = new Problems("augment", text);
  let result: { -readonly [name in keyof Augmentation]: Augmentation[name] } = {};
  for (const part of text
    .split(",")
    .map((piece) => piece.trim())
    .filter((piece) => piece !== "")) {
    const [name, value] = part.split("=", 2).map((piece) => piece.trim());
    if (isPreset(name) && value === undefined) result = { ...result, ...augmentations[name], ...(name === "none" ? emptied(result) : {}) };
    else if (name === "flip") result.flip = parseFlip(value, axes);
    else if (name === "fill") result.fill = value as "edge" | "zero";
    else if (isRanged(name)) {
      const number = value === undefined ? ranges[name][2] : Number(value);
      if (problems.check(value !== "" && Number.isFinite(number), name, `a number from ${ranges[name][0]} to ${ranges[name][1]}`, value))
        result[name] = number;
    } else problems.check(false, "part", `one of ${[...Object.keys(augmentations), ...optionNames()].join(", ")}`, part);
  }
  problems.throwIfAny();
  checkAugmentation(result, axes, text);
  return result;
}

function emptied(augmentation: Augmentation): Augmentation {
  return Object.fromEntries(Object.keys(augmentation).map((name) => [name, undefined]));
}

/** `flip` alone mirrors the last axis; `flip=0+1` names axes; horizontal, vertical and both are words for two axes. */
function parseFlip(value: string | undefined, axes: number): number[] {
  if (value === undefined) return [axes - 1];
  if (Object.hasOwn(flipWords, value)) return flipWords[value](axes);
  return value.split("+").map((axis) => (axis === "" ? Number.NaN : Number(axis)));
}
