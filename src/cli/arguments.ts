import { type Command, InvalidArgumentError } from "commander";

const kebab = (name: string): string => name.replaceAll("_", "-").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Turns `key=value` into `--key=value` for the options that the command has; `key=true` and `key=false` for its switches. All else stays as it is.
 * Example: `train data epochs=3 json=true` -> `train data --epochs=3 --json`
 */
export function expandAssignments(argv: readonly string[], commands: readonly Command[]): string[] {
  const names = commands.map((command) => command.name());
  const at = argv.findIndex((argument) => names.includes(argument));
  const command = commands.find((one) => one.name() === argv[at]);
  const end = argv.indexOf("--");
  return argv.flatMap((argument, index) => {
    const match = /^([A-Za-z][\w-]*)=(.*)$/s.exec(argument);
    if (command === undefined || match === null || index <= at || (end !== -1 && index > end)) return [argument];
    const [, key, value] = match;
    const option = command.options.find(({ long }) => long === `--${kebab(key)}`);
    if (option === undefined) return [argument];
    if (!option.isBoolean()) return [`${option.long}=${value}`];
    if (value === "true") return [option.long ?? argument];
    return value === "false" ? [] : [argument];
  });
}

/** Parser of a whole number >= least. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`expected a whole number >= ${least}; received ${text}.`);
    return value;
  };

/** Parser of a number above, or from, a bound. */
export const number =
  ({ above, from, below }: { above?: number; from?: number; below?: number }) =>
  (text: string): number => {
    const value = Number(text);
    const inRange =
      (above === undefined || value > above) && (from === undefined || value >= from) && (below === undefined || value < below);
    const rule = [above !== undefined && `> ${above}`, from !== undefined && `>= ${from}`, below !== undefined && `< ${below}`]
      .filter(Boolean)
      .join(" and ");
    if (text.trim() === "" || !Number.isFinite(value) || !inRange)
      throw new InvalidArgumentError(`expected a number ${rule}; received ${text}.`);
    return value;
  };

/** Parser of a size in MiB, as bytes; `true` stays true. */
export const mebibytes = (text: string): number | true => text === "true" || number({ above: 0 })(text) * 2 ** 20;

/** Parser of one of some words. */
export const oneOf =
  <T extends string | number>(...words: readonly T[]) =>
  (text: string): T => {
    const found = words.find((word) => String(word) === text);
    if (found === undefined) throw new InvalidArgumentError(`expected one of ${words.join(", ")}; received ${text}.`);
    return found;
  };

/** Parser of extents: `1x28x28`. */
export function extents(text: string): number[] {
  const list = text.split(/[x,]/).map(Number);
  if (!list.every((extent) => Number.isInteger(extent) && extent >= 1))
    throw new InvalidArgumentError(`expected whole numbers >= 1 joined by x; received ${text}.`);
  return list;
}

/** Parser of a picture size: a side, or height x width. */
export function pictureSize(text: string): number | [number, number] {
  const [height, width, more] = extents(text);
  if (more !== undefined) throw new InvalidArgumentError(`expected a side, or HEIGHTxWIDTH; received ${text}.`);
  return width === undefined ? height : [height, width];
}

/** A word as a shell reads it. */
export const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
