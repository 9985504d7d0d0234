import { keyOf, mix32, unit } from "../base/random.ts";
import type { Augmentation } from "./dataset.ts";
import { normaliseInto, type Scale } from "./normalise.ts";
import { resampleAffine, resampleNearest, type Space, spaceOf } from "./resample.ts";

/** Names the stream of augmentation among the streams of one seed. */
const stream = 0x61756700;

/** Which counter each draw uses: adding an option leaves the draws of the others as they are. */
const draw = {
  flip: 0,
  shift: 4,
  rotate: 8,
  scale: 9,
  cropArea: 10,
  cropPlace: 14,
  brightness: 18,
  contrast: 19,
  saturation: 20,
  cutout: 24,
  noise: 32,
};

/** Draws of one example. */
interface Draws {
  /** In [0, 1). */
  at(counter: number): number;
  /** In [-1, 1). */
  signed(counter: number): number;
  readonly key: number;
}

function drawsOf(seed: number, epoch: number, id: number): Draws {
  const key = keyOf(seed, stream, epoch, id);
  return { key, at: (counter) => unit(key, counter), signed: (counter) => 2 * unit(key, counter) - 1 };
}

/** Writes one randomly changed and normalised example. */
export type Augmenter = (
  example: { pixels: Uint8Array | Float32Array; from: number; id: number },
  into: Float32Array,
  offset: number,
) => void;

/**
 * Prepares the augmentation of examples [channels, ...extents] (1 to 3 axes): one affine resampling, then brightness, contrast, saturation and noise, then cutout.
 *
 * Units: see Augmentation. Results depend on seed, epoch and example id alone.
 */
export function augmenter(augmentation: Augmentation, shape: readonly number[], scale: Scale, seed: number, epoch: number): Augmenter {
  const space = spaceOf(shape);
  return ({ pixels, from, id }, into, offset) => {
    const draws = drawsOf(seed, epoch, id);
    if (!hasGeometry(augmentation) && !hasColour(augmentation)) normaliseInto(pixels, from, scale, into, offset);
    else {
      if (hasGeometry(augmentation)) resampleAffine(pixels, from, space, geometry(augmentation, space, draws), into, offset);
      else for (let cell = 0; cell < scale.channels * scale.cells; cell++) into[offset + cell] = pixels[from + cell];
      if (augmentation.saturation && scale.channels === 3)
        saturate(into, offset, scale.cells, factor(augmentation.saturation, draws.signed(draw.saturation)));
      colour(augmentation, draws, scale, into, offset);
    }
    if (augmentation.noise) addNoise(augmentation.noise, draws.key, scale, into, offset);
    if (augmentation.cutout) cutOut(augmentation.cutout, draws, space, into, offset);
  };
}

/**
 * Moves the labels of an example's cells as `augmenter` moves the cells: by the nearest one. What comes from outside of the example is `outside`.
 *
 * Shapes: labels [...extents] of an example of shape [channels, ...extents] -> the same.
 */
export function labelAugmenter(
  augmentation: Augmentation,
  shape: readonly number[],
  seed: number,
  epoch: number,
): (labels: Uint8Array, id: number, into: Int32Array, outside: number) => void {
  const space = spaceOf(shape);
  return (labels, id, into, outside) => {
    if (hasGeometry(augmentation)) resampleNearest(labels, space, geometry(augmentation, space, drawsOf(seed, epoch, id)), into, outside);
    else into.set(labels);
  };
}

/** True when a change turns or zooms, so that what lies around an example comes into it. */
export const looksAround = ({ rotate, scale }: Augmentation): boolean => Boolean(rotate || scale);

function hasGeometry({ flip, shift, rotate, scale, crop }: Augmentation): boolean {
  return Boolean(flip?.length || shift || rotate || scale || (crop !== undefined && crop < 1));
}

function hasColour({ brightness, contrast, saturation }: Augmentation): boolean {
  return Boolean(brightness || contrast || saturation);
}

/** True when the augmentation changes nothing. */
export function isIdentity(augmentation: Augmentation | undefined): boolean {
  return augmentation === undefined || !(hasGeometry(augmentation) || hasColour(augmentation) || augmentation.noise || augmentation.cutout);
}

/** A factor between 1 / (1 + range) and 1 + range, even in its logarithm. */
function factor(range: number, signed: number): number {
  return (1 + range) ** signed;
}

/** Draws the map from output cells to input positions. */
function geometry(
  options: Augmentation,
  space: Space,
  draws: Draws,
): { linear: readonly number[]; centre: readonly number[]; zeroFill: boolean } {
  const { extents, first } = space;
  const zoom = options.scale ? factor(options.scale, draws.signed(draw.scale)) : 1;
  const angle = options.rotate ? (draws.signed(draw.rotate) * options.rotate * Math.PI) / 180 : 0;
  const cosine = Math.cos(angle) / zoom;
  const sine = Math.sin(angle) / zoom;
  const sides = cropSides(options, extents, draws);
  const step: number[] = [];
  const moved: number[] = [];
  for (let axis = 0; axis < 3; axis++) {
    const mirrored = options.flip?.includes(axis - first) && draws.at(draw.flip + axis) < 0.5 ? -1 : 1;
    step.push(mirrored * sides[axis]);
    const room = (extents[axis] * (1 - sides[axis])) / 2;
    moved.push(room * draws.signed(draw.cropPlace + axis));
  }
  const shifts = extents.map((extent, axis) =>
    options.shift && extent > 1 ? draws.signed(draw.shift + axis) * options.shift * extent : 0,
  );
  const turned = [moved[0] / zoom, cosine * moved[1] - sine * moved[2], sine * moved[1] + cosine * moved[2]];
  return {
    linear: [step[0] / zoom, cosine * step[1], -sine * step[2], sine * step[1], cosine * step[2]],
    centre: extents.map((extent, axis) => (extent - 1) / 2 + turned[axis] + shifts[axis]),
    zeroFill: options.fill === "zero",
  };
}

/** Sides of the part that is cut out, as fractions; the aspect of the last two axes varies by up to a third. */
function cropSides({ crop }: Augmentation, extents: readonly number[], draws: Draws): number[] {
  if (crop === undefined || crop >= 1) return [1, 1, 1];
  const side = crop + (1 - crop) * draws.at(draw.cropArea);
  const aspect = (4 / 3) ** (draws.signed(draw.cropArea + 1) / 2);
  const bounded = (wanted: number): number => Math.min(1, Math.max(crop, wanted));
  return [extents[0] > 1 ? side : 1, extents[1] > 1 ? bounded(side * aspect) : 1, extents[2] > 1 ? bounded(side / aspect) : 1];
}

/** Moves stored colours away from or towards grey (Rec. 601 luma). */
function saturate(into: Float32Array, offset: number, cells: number, strength: number): void {
  for (let red = offset, green = red + cells, blue = green + cells; red < offset + cells; red++, green++, blue++) {
    const grey = (0.299 * into[red] + 0.587 * into[green] + 0.114 * into[blue]) * (1 - strength);
    into[red] = grey + into[red] * strength;
    into[green] = grey + into[green] * strength;
    into[blue] = grey + into[blue] * strength;
  }
}

/** Brightness and contrast about the mean, together with the normalisation: ((v - mean) contrast + brightness) / deviation. */
function colour(options: Augmentation, draws: Draws, scale: Scale, into: Float32Array, offset: number): void {
  const contrast = options.contrast ? factor(options.contrast, draws.signed(draw.contrast)) : 1;
  const brightness = options.brightness ? options.brightness * draws.signed(draw.brightness) : 0;
  const { unit: perStored, cells, channels, normalisation } = scale;
  for (let channel = 0; channel < channels; channel++) {
    const slope = (perStored * contrast) / normalisation.deviation[channel];
    const level = (brightness - normalisation.mean[channel] * contrast) / normalisation.deviation[channel];
    const start = offset + channel * cells;
    for (let cell = start; cell < start + cells; cell++) into[cell] = into[cell] * slope + level;
  }
}

/** Deviation of the sum of four random bytes. */
const fourBytes = Math.sqrt((4 * (256 ** 2 - 1)) / 12);

/** Adds noise that is nearly normal: the sum of four bytes of one draw per cell. */
function addNoise(deviation: number, key: number, { cells, channels, normalisation }: Scale, into: Float32Array, offset: number): void {
  const noiseKey = mix32(key ^ draw.noise);
  for (let channel = 0; channel < channels; channel++) {
    const amount = deviation / (fourBytes * normalisation.deviation[channel]);
    for (let cell = channel * cells; cell < (channel + 1) * cells; cell++) {
      const bits = mix32(noiseKey ^ mix32(cell));
      into[offset + cell] += ((bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24) - 510) * amount;
    }
  }
}

/** Sets a box with a random centre to the mean (0 after normalisation). */
function cutOut(side: number, draws: Draws, { extents, channels }: Space, into: Float32Array, offset: number): void {
  const range = extents.map((extent, axis) => {
    if (extent === 1) return [0, 1];
    const length = Math.max(1, Math.round(side * extent));
    const low = Math.floor(draws.at(draw.cutout + axis) * extent) - (length >> 1);
    return [Math.max(0, low), Math.min(extent, low + length)];
  });
  for (let channel = 0; channel < channels; channel++) {
    for (let z = range[0][0]; z < range[0][1]; z++) {
      for (let y = range[1][0]; y < range[1][1]; y++) {
        const row = offset + ((channel * extents[0] + z) * extents[1] + y) * extents[2];
        into.fill(0, row + range[2][0], row + range[2][1]);
      }
    }
  }
}
