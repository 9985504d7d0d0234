import { Problems } from "../base/errors.ts";
import { mix32, type Random, random } from "../base/random.ts";
import type { Dataset } from "./dataset.ts";
import { type Point, type Stroke, writers } from "./digit-strokes.ts";
import { examplePixels } from "./examples.ts";
import { membersFrom, storedDataset } from "./stored.ts";

/** Options of `digits`. */
export interface DigitsOptions {
  /** Examples to train on, the validation part included. Default 10,000. */
  readonly train?: number;
  /** Default 2,000. */
  readonly test?: number;
  /** Seed of the drawings. Default 0. */
  readonly drawing?: number;
  /** Seed of the validation part. Default 0. */
  readonly seed?: number;
  /** Validation part: a fraction or a number of examples. Default: 15 % of train, at most 5,000. */
  readonly holdout?: number;
}

const extent = 28;
const cells = extent * extent;

/** Names the streams of the two parts. */
const streams = { train: 0x74726169, test: 0x74657374 };

/**
 * Draws one digit as a 28 x 28 grey picture, white ink on black: strokes with random form, slant, turn, size, place, width and pressure, bent by a smooth field, with noise.
 *
 * Units: u8, 0 to 255.
 */
export function drawDigit(digit: number, draw: Random, into: Uint8Array, offset: number): void {
  const path = writers[digit](draw);
  const ink = new Float32Array(cells);
  // half the pen's width, in cells
  const radius = 0.55 + 1.15 * draw.uniform() * (0.4 + 0.6 * draw.uniform());
  const pressure = { depth: 0.3 * draw.uniform(), turns: 1 + 2 * draw.uniform(), phase: draw.uniform() };
  const softness = 0.5 + 0.4 * draw.uniform();
  for (const stroke of pose(path, radius, draw)) drawStroke(stroke, { radius, softness, pressure }, ink);
  const level = 175 + 80 * draw.uniform() ** 0.5;
  const noise = 14 * draw.uniform() ** 2;
  const key = draw.integer(0, 2 ** 31 - 1);
  for (let cell = 0; cell < cells; cell++) {
    // the sum of two 16-bit halves of one draw: a triangle from -1 to 1
    const bits = mix32(key ^ mix32(cell));
    const grain = ((bits & 0xffff) + (bits >>> 16)) / 0xffff - 1;
    const value = ink[cell] * level + noise * grain * (0.35 + ink[cell]);
    into[offset + cell] = value <= 0 ? 0 : value >= 255 ? 255 : Math.round(value);
  }
}

/** Turns, slants, bends and places the strokes; results in cells. */
function pose(strokes: readonly Stroke[], radius: number, draw: Random): readonly Stroke[] {
  const slant = 0.2 * draw.normal() - 0.05;
  const angle = 0.09 * draw.normal();
  const cosine = Math.cos(angle);
  const sine = Math.sin(angle);
  const aspect = 0.62 * 1.35 ** (2 * draw.uniform() - 1);
  const bends = Array.from({ length: 4 }, () => ({
    size: 0.035 * draw.normal(),
    phase: 2 * Math.PI * draw.uniform(),
    rate: 2 + 4 * draw.uniform(),
  }));
  const jitter = 0.012;
  const moved = strokes.map((stroke) =>
    stroke.map(([x, y]): Point => {
      const across =
        x -
        0.5 +
        bends[0].size * Math.sin(bends[0].rate * y + bends[0].phase) +
        bends[1].size * Math.sin(bends[1].rate * x + bends[1].phase);
      const down =
        y -
        0.5 +
        bends[2].size * Math.sin(bends[2].rate * x + bends[2].phase) +
        bends[3].size * Math.sin(bends[3].rate * y + bends[3].phase);
      const slanted = across * aspect - slant * down + jitter * (draw.uniform() - 0.5);
      return [cosine * slanted - sine * down, sine * slanted + cosine * down + jitter * (draw.uniform() - 0.5)];
    }),
  );
  return place(moved, radius, draw);
}

/** Fits the strokes into a box of random height near the middle. */
function place(strokes: readonly Stroke[], radius: number, draw: Random): readonly Stroke[] {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const stroke of strokes) {
    for (const [x, y] of stroke) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  const height = 15 + 5.5 * draw.uniform();
  const scale = Math.min(height / (bottom - top), 20.5 / Math.max(0.1, right - left));
  // the pen's own width and a margin stay inside
  const room = (side: number): number => Math.max(0, (extent - 1 - side * scale) / 2 - 1.3 * radius - 1.5);
  const shift = (side: number): number => Math.max(-room(side), Math.min(room(side), 1.1 * draw.normal()));
  const middleX = (extent - 1) / 2 + shift(right - left);
  const middleY = (extent - 1) / 2 + shift(bottom - top);
  return strokes.map((stroke) =>
    stroke.map(([x, y]): Point => [middleX + (x - (left + right) / 2) * scale, middleY + (y - (top + bottom) / 2) * scale]),
  );
}

interface Pen {
  readonly radius: number;
  /** Width of the edge between ink and paper, in cells. */
  readonly softness: number;
  /** The pen's width changes along the stroke. */
  readonly pressure: { readonly depth: number; readonly turns: number; readonly phase: number };
}

/** Draws a path: every cell takes the most ink that any of its pieces gives it. */
function drawStroke(stroke: Stroke, { radius, softness, pressure }: Pen, ink: Float32Array): void {
  for (let index = 0; index + 1 < stroke.length; index++) {
    const along = index / stroke.length;
    const half = radius * (1 + pressure.depth * Math.sin(2 * Math.PI * (pressure.turns * along + pressure.phase)));
    drawPiece(stroke[index], stroke[index + 1], half, softness, ink);
  }
}

function drawPiece([ax, ay]: Point, [bx, by]: Point, half: number, softness: number, ink: Float32Array): void {
  const reach = half + softness;
  const dx = bx - ax;
  const dy = by - ay;
  const square = dx * dx + dy * dy;
  const firstX = Math.max(0, Math.ceil(Math.min(ax, bx) - reach));
  const lastX = Math.min(extent - 1, Math.floor(Math.max(ax, bx) + reach));
  const firstY = Math.max(0, Math.ceil(Math.min(ay, by) - reach));
  const lastY = Math.min(extent - 1, Math.floor(Math.max(ay, by) + reach));
  for (let y = firstY; y <= lastY; y++) {
    for (let x = firstX; x <= lastX; x++) {
      const t = square === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / square));
      const px = x - ax - t * dx;
      const py = y - ay - t * dy;
      const given = (reach - Math.sqrt(px * px + py * py)) / (2 * softness);
      const cell = y * extent + x;
      if (given > ink[cell]) ink[cell] = given < 1 ? given : 1;
    }
  }
}

/**
 * The embedded set `demo:digits`: digits drawn by this generator, so that everything runs without a download. The test part is drawn by another stream.
 *
 * Shapes: examples [1, 28, 28], classes 0 to 9, equally many of each.
 * Throws: ToeplitzError when a count is out of range.
 * Example: `const set = digits({ train: 12000, test: 2000 })`
 */
export function digits(options: DigitsOptions = {}): Dataset {
  const { train = 10_000, test = 2_000, drawing = 0, seed = 0, holdout } = options;
  const problems = new Problems("digits");
  const inRange = (count: number): boolean => Number.isInteger(count) && count >= 10 && count <= 1_000_000;
  problems.check(inRange(train), "train", "a whole number from 10 to 1000000", train);
  problems.check(inRange(test), "test", "a whole number from 10 to 1000000", test);
  problems.throwIfAny();
  const shape = [1, extent, extent];
  const pixels = examplePixels(train + test, shape);
  const labels = Int32Array.from({ length: train + test }, (_, index) => (index < train ? index : index - train) % 10);
  for (let row = 0; row < train + test; row++) {
    const stream = row < train ? random(drawing, streams.train, row) : random(drawing, streams.test, row - train);
    drawDigit(labels[row], stream, pixels, row * cells);
  }
  return storedDataset({
    name: "demo:digits",
    shape,
    classes: Array.from({ length: 10 }, (_, digit) => String(digit)),
    pixels,
    parts: { train: membersFrom(0, labels.slice(0, train)), test: membersFrom(train, labels.slice(train)) },
    holdout,
    seed,
  });
}
