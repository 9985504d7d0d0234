import type { Picture } from "../train/report/data.ts";

/** How colours can be shown. */
export type Colours = "none" | "256" | "true";

/** Colours of a terminal, after the variables that terminals and users set (no-color.org). */
export function coloursOf(stream: { readonly isTTY?: boolean }, environment: Readonly<Record<string, string | undefined>>): Colours {
  const isPlain = environment.NO_COLOR !== undefined && environment.NO_COLOR !== "";
  if (stream.isTTY !== true || isPlain || environment.TERM === "dumb") return "none";
  return /truecolor|24bit/.test(environment.COLORTERM ?? "") ? "true" : "256";
}

/** Pixels [row][column] of red, green and blue in [0, 1]. */
type Pixels = readonly (readonly (readonly [number, number, number])[])[];

/** Columns of a picture at most. */
const widest = 32;

/** A picture of two axes, made smaller by whole factors until it is at most 32 cells wide and high. */
function pixelsOf({ channels, extents, data, low, high }: Picture): Pixels {
  const [height, width] = extents;
  let [least, most] = [low ?? Number.POSITIVE_INFINITY, high ?? Number.NEGATIVE_INFINITY];
  for (const cell of data) {
    if (low === undefined) least = Math.min(least, cell);
    if (high === undefined) most = Math.max(most, cell);
  }
  const factor = Math.ceil(Math.max(width, height) / widest);
  const value = (channel: number, row: number, column: number): number => {
    let [sum, count] = [0, 0];
    for (let y = row * factor; y < Math.min(height, (row + 1) * factor); y++) {
      for (let x = column * factor; x < Math.min(width, (column + 1) * factor); x++, count++)
        sum += data[(channel * height + y) * width + x];
    }
    return most === least ? 0 : Math.min(1, Math.max(0, (sum / count - least) / (most - least)));
  };
  return Array.from({ length: Math.ceil(height / factor) }, (_, row) =>
    Array.from({ length: Math.ceil(width / factor) }, (__, column) => {
      const red = value(0, row, column);
      return channels === 1 ? ([red, red, red] as const) : ([red, value(1, row, column), value(2, row, column)] as const);
    }),
  );
}

/** Number of a colour in the palette of 256: the grey ramp, or the cube of 6 x 6 x 6. */
function paletteIndex([red, green, blue]: readonly [number, number, number]): number {
  if (red === green && green === blue) return red < 0.02 ? 16 : 232 + Math.min(23, Math.round(red * 23));
  const level = (part: number): number => Math.round(part * 5);
  return 16 + 36 * level(red) + 6 * level(green) + level(blue);
}

function escapeCode(layer: 38 | 48, colour: readonly [number, number, number], colours: Colours): string {
  if (colours === "256") return `\u001b[${layer};5;${paletteIndex(colour)}m`;
  return `\u001b[${layer};2;${colour.map((part) => Math.round(part * 255)).join(";")}m`;
}

/** One text line for every two rows of pixels: upper half blocks, the lower pixel as background; without colours, blocks where a pixel is bright. */
export function drawPicture(picture: Picture, colours: Colours): string[] {
  const pixels = pixelsOf(picture);
  const black = [0, 0, 0] as const;
  const lines: string[] = [];
  for (let row = 0; row < pixels.length; row += 2) {
    const below = pixels[row + 1] ?? pixels[row].map(() => black);
    const cells = pixels[row].map((upper, column) => {
      if (colours !== "none") return `${escapeCode(38, upper, colours)}${escapeCode(48, below[column], colours)}▀`;
      const bright = (colour: readonly number[]): boolean => (colour[0] + colour[1] + colour[2]) / 3 > 0.4;
      return " ▀▄█"[(bright(upper) ? 1 : 0) + (bright(below[column]) ? 2 : 0)];
    });
    lines.push(`${cells.join("")}${colours === "none" ? "" : "\u001b[0m"}`);
  }
  return lines;
}

/** Pictures with a caption below each, as many side by side as the width has room for. */
export function drawGallery(
  entries: readonly { readonly picture: Picture; readonly caption: string }[],
  width: number,
  colours: Colours,
): string[] {
  const drawn = entries
    .filter(({ picture }) => picture.extents.length === 2)
    .map(({ picture, caption }) => ({ lines: drawPicture(picture, colours), caption, columns: pixelsOf(picture)[0].length }));
  if (drawn.length === 0) return [];
  const columns = Math.max(...drawn.map((entry) => entry.columns));
  const across = Math.max(1, Math.floor((width + 2) / (columns + 2)));
  const lines: string[] = [];
  for (let from = 0; from < drawn.length; from += across) {
    const row = drawn.slice(from, from + across);
    const height = Math.max(...row.map((entry) => entry.lines.length));
    for (let line = 0; line < height; line++) {
      const cells = row.map((entry) => `${entry.lines[line] ?? " ".repeat(entry.columns)}${" ".repeat(columns - entry.columns)}`);
      lines.push(cells.join("  ").replace(/ +$/, ""));
    }
    lines.push(
      row
        .map(({ caption }) => caption.slice(0, columns).padEnd(columns))
        .join("  ")
        .trimEnd(),
      "",
    );
  }
  return lines;
}
