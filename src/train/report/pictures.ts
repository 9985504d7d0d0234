import { encode } from "fast-png";
import { fail } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import type { Picture } from "./data.ts";
import { type Html, html, trusted } from "./markup.ts";

/** Pixels with alpha, four bytes each. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** How a picture is to be shown. */
export interface ShowOptions {
  /** For those who cannot see it. */
  readonly alt: string;
  /** Pixels of the page that the longer side takes. */
  readonly side: number;
  /** Values have a sign that matters: zero is the middle of the range, and of a palette of two hues. */
  readonly signed?: boolean;
}

const longestSide = 192;
const sliceLimit = 16;
const plotBins = 240;
const negative = [11, 99, 181];
const neutral = [245, 245, 245];
const positive = [194, 65, 12];
const lineColors = ["var(--first)", "var(--second)", "var(--third)"];

/**
 * A picture as an element of the page: a line plot for signals, an image for the rest (volumes as slices along their first axis).
 * Throws: ToeplitzError where extents, channels and data do not fit.
 */
export function showPicture(picture: Picture, options: ShowOptions): Html {
  checkPicture(picture);
  return picture.extents.length === 1 ? linePlot(picture, options) : image(picturePixels(picture, options.signed), options);
}

function checkPicture({ channels, extents, data }: Picture): void {
  const rank = extents.length;
  const whole = extents.every((extent) => Number.isInteger(extent) && extent > 0);
  if (rank < 1 || rank > 3 || !whole) fail("report", "picture", "extents", "1, 2 or 3 integers > 0", `[${extents.join(",")}]`);
  const cells = channels * size(extents);
  if (cells !== data.length) fail("report", "picture", "data", `${cells} values (${channels} x ${extents.join(" x ")})`, data.length);
}

/** An image element whose pixels are in the page itself. */
export function image(pixels: Pixels, { alt, side }: ShowOptions): Html {
  const scale = side / Math.max(pixels.width, pixels.height);
  const coarse = scale > 1.5 ? "pixelated" : null;
  const [width, height] = [pixels.width, pixels.height].map((extent) => Math.max(4, Math.round(extent * scale)));
  return html`<img src="${pngUri(pixels)}" alt="${alt}" width="${width}" height="${height}" class="${coarse}">`;
}

function pngUri({ width, height, data }: Pixels): string {
  const bytes = encode({ width, height, data, channels: 4, depth: 8 });
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return `data:image/png;base64,${btoa(text)}`;
}

/** Pixels of an image or of a volume's slices side by side, reduced by whole factors where they are many. */
export function picturePixels(picture: Picture, signed = false): Pixels {
  const [depth, height, width] = picture.extents.length === 2 ? [1, ...picture.extents] : picture.extents;
  const paint = painter(picture, signed);
  const factor = Math.ceil(Math.max(height, width) / longestSide);
  const [rows, columns] = [Math.ceil(height / factor), Math.ceil(width / factor)];
  const slices = Math.min(depth, sliceLimit);
  const across = slices <= 3 ? slices : Math.ceil(Math.sqrt(slices));
  const gap = slices > 1 ? 1 : 0;
  const total = across * (columns + gap) - gap;
  const data = new Uint8Array(total * (Math.ceil(slices / across) * (rows + gap) - gap) * 4);
  for (let slice = 0; slice < slices; slice++) {
    // evenly spread over the depth, each in the middle of its share
    const plane = Math.floor(((slice + 0.5) * depth) / slices) * height * width;
    const corner = Math.floor(slice / across) * (rows + gap) * total + (slice % across) * (columns + gap);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const box = { top: row * factor, left: column * factor, height, width, factor };
        data.set(
          paint((channel) => boxMean(picture, channel * depth * height * width + plane, box)),
          (corner + row * total + column) * 4,
        );
      }
    }
  }
  return { width: total, height: data.length / total / 4, data };
}

interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  readonly factor: number;
}

function boxMean({ data }: Picture, plane: number, { top, left, height, width, factor }: Box): number {
  const [bottom, right] = [Math.min(top + factor, height), Math.min(left + factor, width)];
  let sum = 0;
  for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) sum += data[plane + row * width + column];
  return sum / ((bottom - top) * (right - left));
}

/** Gives the colour of a cell from its value per channel; nothing at all (clear) where a value is not a number. */
function painter(picture: Picture, signed: boolean): (value: (channel: number) => number) => [number, number, number, number] {
  const { low, high } = valueRange(picture, signed);
  const part = (value: number): number => (high === low ? 0.5 : Math.min(1, Math.max(0, (value - low) / (high - low))));
  return (value) => {
    const parts = Array.from({ length: picture.channels }, (_, channel) => part(value(channel)));
    if (parts.some(Number.isNaN)) return [0, 0, 0, 0];
    if (picture.channels === 1 && signed) return [...diverging(parts[0]), 255];
    const [red, green, blue] = parts.map((share) => Math.round(share * 255));
    return picture.channels === 1 ? [red, red, red, 255] : [red, green, blue, 255];
  };
}

function diverging(part: number): [number, number, number] {
  const end = part < 0.5 ? negative : positive;
  const strength = Math.abs(part - 0.5) * 2;
  const mixed = neutral.map((value, channel) => Math.round(value + (end[channel] - value) * strength));
  return [mixed[0], mixed[1], mixed[2]];
}

function valueRange({ data, low, high }: Picture, signed: boolean): { low: number; high: number } {
  if (low !== undefined && high !== undefined) return { low, high };
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of data) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  if (least > greatest) [least, greatest] = [0, 0];
  const largest = Math.max(Math.abs(least), Math.abs(greatest));
  const [first, last] = signed ? [-largest, largest] : data instanceof Uint8Array ? [0, 255] : [least, greatest];
  return { low: low ?? first, high: high ?? last };
}

function linePlot(picture: Picture, { alt, side, signed = false }: ShowOptions): Html {
  const [length] = picture.extents;
  const { low, high } = valueRange(picture, signed);
  const [width, height, edge] = [120, 60, 3];
  const x = (place: number): string => (edge + (place / Math.max(1, length - 1)) * (width - 2 * edge)).toFixed(1);
  const y = (value: number): string => {
    const part = high === low ? 0.5 : Math.min(1, Math.max(0, (value - low) / (high - low)));
    return (height - edge - part * (height - 2 * edge)).toFixed(1);
  };
  const lines = Array.from({ length: picture.channels }, (_, channel) => {
    const points = outline(picture.data.subarray(channel * length, (channel + 1) * length));
    const path = points.map(([place, value]) => `${x(place)},${y(value)}`).join(" ");
    const dots = length <= 32 ? points.map(([place, value]) => html`<circle cx="${x(place)}" cy="${y(value)}" r="1.8"/>`) : null;
    return html`<g style="color: ${lineColors[channel]}"><polyline points="${path}"/>${dots}</g>`;
  });
  const zero = low < 0 && high > 0 ? trusted(`<line x1="0" x2="${width}" y1="${y(0)}" y2="${y(0)}"/>`) : null;
  return html`<svg class="plot" role="img" aria-label="${alt}" viewBox="0 0 ${width} ${height}" width="${side}" height="${side / 2}">${zero}${lines}</svg>`;
}

/** Points of a line; long signals as the least and the greatest value of each bin, so that no peak is lost. */
function outline(values: Float32Array | Uint8Array): [place: number, value: number][] {
  const points = Array.from(values, (value, place): [number, number] => [place, value]).filter(([, value]) => Number.isFinite(value));
  if (points.length <= 2 * plotBins) return points;
  return Array.from({ length: plotBins }, (_, bin) => {
    const part = points.slice(Math.floor((bin * points.length) / plotBins), Math.floor(((bin + 1) * points.length) / plotBins));
    const least = part.reduce((a, b) => (b[1] < a[1] ? b : a));
    const greatest = part.reduce((a, b) => (b[1] > a[1] ? b : a));
    return least[0] < greatest[0] ? [least, greatest] : [greatest, least];
  }).flat();
}
