/** Two to three figures: `9.87`, `98.7`, `987`. */
const figures = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

/** `12.3 us`, `4.56 ms`, `1.20 s`, from ns. */
export function printTime(ns: number): string {
  const [value, unit] = ns >= 1e9 ? [ns / 1e9, "s"] : ns >= 1e6 ? [ns / 1e6, "ms"] : [ns / 1e3, "us"];
  return `${figures(value)} ${unit}`;
}

/** `12.3 kB`, `4.56 MB`: in thousands, as rates are. */
export function printBytes(bytes: number): string {
  const [value, unit] = bytes >= 1e9 ? [bytes / 1e9, "GB"] : bytes >= 1e6 ? [bytes / 1e6, "MB"] : [bytes / 1e3, "kB"];
  return `${figures(value)} ${unit}`;
}
