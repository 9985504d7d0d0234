import type { Random } from "../base/random.ts";

/** A point of a pen's path: x to the right and y down, both about 0 to 1 in the digit's box. */
export type Point = readonly [x: number, y: number];

/** A path of the pen without lifting it. */
export type Stroke = readonly Point[];

/** How one digit is drawn by one writer: chosen anew for every example. */
type Writer = (draw: Random) => readonly Stroke[];

/** Points on each piece of a curve. */
const pieces = 6;

/** A smooth path through the points (centripetal in spirit: uniform Catmull-Rom, ends repeated). */
export function curve(...through: readonly Point[]): Stroke {
  const path: Point[] = [];
  for (let index = 0; index + 1 < through.length; index++) {
    const a = through[Math.max(0, index - 1)];
    const b = through[index];
    const c = through[index + 1];
    const d = through[Math.min(through.length - 1, index + 2)];
    for (let piece = 0; piece < pieces; piece++) {
      const t = piece / pieces;
      const blend = (axis: 0 | 1): number =>
        b[axis] +
        0.5 *
          t *
          (c[axis] - a[axis] + t * (2 * a[axis] - 5 * b[axis] + 4 * c[axis] - d[axis] + t * (3 * (b[axis] - c[axis]) + d[axis] - a[axis])));
      path.push([blend(0), blend(1)]);
    }
  }
  path.push(through[through.length - 1]);
  return path;
}

/** Part of an ellipse; angles in turns, 0 at the right, growing downwards. */
function arc(centre: Point, radius: Point, from: number, to: number): Stroke {
  const steps = Math.max(4, Math.ceil(Math.abs(to - from) * 22));
  return Array.from({ length: steps + 1 }, (_, step) => {
    const angle = 2 * Math.PI * (from + ((to - from) * step) / steps);
    return [centre[0] + radius[0] * Math.cos(angle), centre[1] + radius[1] * Math.sin(angle)];
  });
}

const between = (draw: Random, low: number, high: number): number => low + (high - low) * draw.uniform();
const happens = (draw: Random, chance: number): boolean => draw.uniform() < chance;

const zero: Writer = (draw) => {
  const start = between(draw, -0.42, -0.12);
  const width = between(draw, 0.24, 0.48);
  const direction = happens(draw, 0.8) ? -1 : 1;
  return [arc([0.5, 0.5], [width, 0.5], start, start + direction * between(draw, 0.94, 1.1))];
};

const one: Writer = (draw) => {
  const top: Point = [between(draw, 0.46, 0.6), 0];
  const foot: Point = [between(draw, 0.44, 0.56), 1];
  const bow = between(draw, -0.04, 0.04);
  const bar = curve(top, [(top[0] + foot[0]) / 2 + bow, 0.5], foot);
  const strokes: Stroke[] = [bar];
  if (happens(draw, 0.45)) strokes.push([[top[0] - between(draw, 0.12, 0.3), between(draw, 0.14, 0.28)], top]);
  if (happens(draw, 0.15))
    strokes.push([
      [foot[0] - between(draw, 0.2, 0.3), 1],
      [foot[0] + between(draw, 0.2, 0.3), between(draw, 0.97, 1)],
    ]);
  return strokes;
};

const two: Writer = (draw) => {
  const left = between(draw, 0.02, 0.14);
  const bend: Point = [between(draw, 0.82, 0.95), between(draw, 0.24, 0.34)];
  const corner: Point = [left, between(draw, 0.9, 0.99)];
  const top = curve([left, between(draw, 0.14, 0.3)], [0.46, 0], bend, [between(draw, 0.5, 0.62), between(draw, 0.6, 0.68)], corner);
  const end: Point = [between(draw, 0.85, 1.05), between(draw, 0.86, 1.02)];
  if (happens(draw, 0.3)) {
    // a loop at the lower left instead of a corner
    const loop = curve(bend, [0.5, 0.7], [left + 0.04, 0.98], [left - 0.02, 0.84], [left + 0.2, 0.84], [0.62, 0.99], end);
    return [[...curve([left, between(draw, 0.14, 0.3)], [0.46, 0], bend), ...loop]];
  }
  return [[...top, ...curve(corner, [0.5, between(draw, 0.92, 1)], end)]];
};

const three: Writer = (draw) => {
  const waist: Point = [between(draw, 0.3, 0.5), between(draw, 0.42, 0.5)];
  const belly: Point = [between(draw, 0.84, 1), between(draw, 0.68, 0.76)];
  const lower = curve(
    waist,
    [between(draw, 0.66, 0.76), between(draw, 0.48, 0.54)],
    belly,
    [0.46, 1],
    [between(draw, 0, 0.12), between(draw, 0.8, 0.92)],
  );
  if (happens(draw, 0.15)) {
    const bar: Stroke = [[0.08, between(draw, 0, 0.06)], [0.86, between(draw, 0, 0.06)], waist];
    return [[...bar, ...lower]];
  }
  const upper = curve(
    [between(draw, 0.06, 0.16), between(draw, 0.1, 0.22)],
    [0.46, 0],
    [between(draw, 0.76, 0.9), between(draw, 0.2, 0.28)],
    waist,
  );
  return [[...upper, ...lower]];
};

const four: Writer = (draw) => {
  const level = between(draw, 0.52, 0.68);
  const stem = between(draw, 0.62, 0.78);
  const foot: Point = [stem + between(draw, -0.08, 0.04), 1];
  const right: Point = [between(draw, 0.86, 1.05), level + between(draw, -0.06, 0.04)];
  if (happens(draw, 0.35)) {
    const top: Point = [stem, 0];
    return [
      [top, [between(draw, 0, 0.1), level], right],
      [top, foot],
    ];
  }
  const left: Point = [between(draw, 0.1, 0.3), between(draw, 0, 0.1)];
  const knee: Point = [between(draw, 0.02, 0.16), level - between(draw, 0, 0.06)];
  const down = happens(draw, 0.5) ? curve(left, [knee[0], level - 0.25], knee) : [left, knee];
  const across = happens(draw, 0.4) ? curve(knee, [0.35, level + 0.02], right) : [knee, right];
  return [
    [...down, ...across],
    [[stem, between(draw, 0, 0.3)], foot],
  ];
};

const five: Writer = (draw) => {
  const top = between(draw, 0.14, 0.26);
  const shoulder: Point = [between(draw, 0.08, 0.22), between(draw, 0.4, 0.5)];
  const belly = curve(
    shoulder,
    [0.5, shoulder[1] - between(draw, 0.02, 0.12)],
    [between(draw, 0.84, 0.98), between(draw, 0.6, 0.7)],
    [between(draw, 0.55, 0.72), between(draw, 0.92, 1)],
    [between(draw, 0, 0.12), between(draw, 0.84, 0.96)],
  );
  const bar: Stroke = [
    [between(draw, 0.78, 1), between(draw, -0.04, 0.06)],
    [top, 0.02],
  ];
  if (happens(draw, 0.5)) return [[...bar, ...belly]];
  return [[[top, 0.03], ...belly], bar];
};

const six: Writer = (draw) => {
  const width = between(draw, 0.26, 0.4);
  const centre: Point = [0.48, between(draw, 0.68, 0.74)];
  const height = 1 - centre[1];
  const start: Point = [between(draw, 0.55, 0.85), between(draw, 0, 0.06)];
  const bowl = arc(centre, [width, height], 0.5, 0.5 - between(draw, 0.92, 1.12));
  const down = curve(start, [between(draw, 0.26, 0.4), 0.3], [centre[0] - width, centre[1]]);
  return [[...down, ...bowl]];
};

const seven: Writer = (draw) => {
  const corner: Point = [between(draw, 0.82, 0.98), between(draw, 0, 0.08)];
  const foot: Point = [between(draw, 0.26, 0.48), 1];
  const left: Point = [between(draw, 0, 0.12), between(draw, 0, 0.08)];
  const leg = happens(draw, 0.6)
    ? curve(corner, [(corner[0] + foot[0]) / 2 - between(draw, 0, 0.12), between(draw, 0.45, 0.55)], foot)
    : [corner, foot];
  const bar = happens(draw, 0.4) ? curve(left, [0.4, between(draw, 0, 0.14)], corner) : [left, corner];
  const strokes: Stroke[] = [[...bar, ...leg]];
  if (happens(draw, 0.25))
    strokes.push([
      [between(draw, 0.28, 0.38), between(draw, 0.48, 0.56)],
      [between(draw, 0.78, 0.92), between(draw, 0.44, 0.52)],
    ]);
  if (happens(draw, 0.2)) strokes.push([left, [left[0] - 0.02, left[1] + between(draw, 0.1, 0.2)]]);
  return strokes;
};

const eight: Writer = (draw) => {
  const waist = between(draw, 0.42, 0.5);
  const top = between(draw, 0.2, 0.32);
  const bottom = between(draw, 0.26, 0.4);
  if (happens(draw, 0.25)) {
    const upper = arc([0.5, waist / 2], [top, waist / 2], 0.25, 1.25);
    const lower = arc([0.5, (1 + waist) / 2], [bottom, (1 - waist) / 2], -0.25, 0.75 + between(draw, -0.03, 0.05));
    return [upper, lower];
  }
  const end: Point = [0.5 + top * between(draw, 0.6, 1), between(draw, 0.06, 0.2)];
  return [
    curve(
      [0.5 + top * between(draw, 0.75, 1), between(draw, 0.08, 0.2)],
      [0.5, 0],
      [0.5 - top, waist * 0.5],
      [0.5, waist],
      [0.5 + bottom, (1 + waist) / 2],
      [0.5, 1],
      [0.5 - bottom, (1 + waist) / 2 + 0.02],
      [0.5, waist + between(draw, 0.02, 0.06)],
      end,
    ),
  ];
};

const nine: Writer = (draw) => {
  const width = between(draw, 0.24, 0.36);
  const centre: Point = [0.48, between(draw, 0.26, 0.32)];
  const start = between(draw, -0.12, -0.02);
  const bowl = arc(centre, [width, centre[1]], start, start - between(draw, 0.9, 1.02));
  const right: Point = [centre[0] + width * between(draw, 0.95, 1.1), centre[1] * between(draw, 0.5, 0.9)];
  if (happens(draw, 0.3)) {
    const hook = curve(
      right,
      [right[0], 0.66],
      [between(draw, 0.5, 0.62), between(draw, 0.94, 1)],
      [between(draw, 0.08, 0.2), between(draw, 0.86, 0.96)],
    );
    return [bowl, hook];
  }
  return [bowl, curve(right, [right[0] - between(draw, 0, 0.08), 0.6], [between(draw, 0.48, 0.76), 1])];
};

/** The ten digits, as people write them. */
export const writers: readonly Writer[] = [zero, one, two, three, four, five, six, seven, eight, nine];
