import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail, Problems } from "../base/errors.ts";
import { size, type Tensor } from "../base/types.ts";
import { divide } from "./assemble.ts";
import { blockingReader } from "./blocking-reader.ts";
import type { Dataset, Decoder, Examples, FileExamples, Normalisation, Proportions, Split } from "./dataset.ts";
import { chooseDecoder, openDecoder, type PictureDecoder, writePlanes } from "./decode.ts";
import { examplePixels, examplesOf, type Members, ownExtents, storedExamples, storedSplit } from "./examples.ts";
import { type Listing, listPictures, type PartName } from "./listing.ts";
import { normaliseInto, ownScale, scaleOf } from "./normalise.ts";
import { defaultMaximumPixels, isFault } from "./picture-header.ts";
import { choosePictureSize } from "./picture-size.ts";
import { byteMoments, momentStatistics } from "./statistics.ts";
import { shapeAt } from "./unequal.ts";

/** Options of `imageFolder`. */
export interface ImageFolderOptions {
  /** Side, or [height, width], that every picture is resized to. Default: see `choosePictureSize`. */
  readonly size?: number | readonly [height: number, width: number];
  /**
   * `squeezed`: every picture gets the same height and width. `kept`: its own proportions (up to 4:1), with `size` as the longer side; the set's
   * examples are then of unequal extents. Default `squeezed`.
   */
  readonly proportions?: Proportions;
  /** 1 for grey, 3 for colour. Default: 1 when no picture has colour. */
  readonly channels?: 1 | 3;
  /** Seed of the validation part. Default 0. */
  readonly seed?: number;
  /** Validation part: a fraction or a number of examples. Default: 15 % of train, at most 5,000. */
  readonly holdout?: number;
  /** Default: sharp where it is installed, else `plain`. */
  readonly decoder?: "auto" | Decoder;
  /** Pictures of more pixels are left out. Default 100 million. */
  readonly maximumPixels?: number;
  /** Decoded pictures are kept in memory up to this size, else decoded whenever they are needed. Default 1 GiB. */
  readonly memoryBytes?: number;
  /** Told after every picture. */
  readonly progress?: (done: number, total: number) => void;
}

const defaultMemoryBytes = 2 ** 30;

/** Pictures decoded at the same time while a set is opened. */
const decodedAtOnce = 8;

/** Faults named one by one in a note or an error. */
const mostNamed = 10;

/**
 * Opens a folder of pictures (PNG, JPEG, WebP, GIF of any sizes) in class folders, with or without train, val and test folders above them. Every picture is resized as a whole (see `proportions`);
 * of animated ones the first frame is taken, alpha is blended over white, 16 bits are cut to 8, EXIF orientation is applied. Pictures that cannot be read are left out and named in `notes`.
 * A val folder without a test folder is scored once, as `test`; what is missing is split from train, of every class its share.
 *
 * Shapes: examples [1 or 3, height, width]; with proportions kept both are at most the size, and `Split.extents` has those of each.
 * Throws: ToeplitzError when the folder is missing or empty, a class has no pictures or loses all of them, or an option is out of range.
 * Example: `const flowers = await imageFolder("flowers/", { size: 64 })`
 */
export async function imageFolder(folder: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  checkOptions(folder, options);
  const listing = await listPictures(folder);
  const decoder = await chooseDecoder(options.decoder);
  const maximumPixels = options.maximumPixels ?? defaultMaximumPixels;
  const paths = listing.pictures.map(({ name }) => join(folder, name));
  const { proportions = "squeezed" } = options;
  const { height, width, note } = await choosePictureSize(paths, options.size, proportions);
  const wanted = [options.channels ?? 3, height, width];
  const decode = await openDecoder(decoder, maximumPixels);
  const decoded = await decodeAll(paths, decode, wanted, options);
  checkFaults(folder, listing, decoded.faults);
  const channels = options.channels ?? (decoded.isGrey ? 1 : 3);
  const shape = [channels, height, width];
  const found = membersOf(listing, decoded.faults);
  const division = divide(found, { holdout: options.holdout, seed: options.seed ?? 0, where: folder });
  const moments = channels === wanted[0] ? decoded.moments : firstChannel(decoded.moments, wanted[0]);
  const { extents } = decoded;
  const normalisation = momentStatistics(moments, shape, division.train.rows, extents);
  const stored = decoded.pixels && (channels === wanted[0] ? decoded.pixels : firstPlane(decoded.pixels, wanted));
  const { examples, split } =
    stored === undefined
      ? decodedOnDemand({ paths, decoder, maximumPixels, proportions }, shape, normalisation, extents)
      : decodedBefore(storedExamples(stored, shape, normalisation, extents));
  return {
    name: folder,
    shape,
    classes: listing.classes,
    train: split(division.train),
    validation: split(division.validation),
    test: split(division.test),
    normalisation,
    notes: [...faultNotes(listing, decoded.faults), ...listing.notes, ...note, ...division.notes, `pictures decoded by ${decoder}`],
    close: () => examples.close(),
  };
}

function checkOptions(folder: string, { size, proportions, channels, maximumPixels, memoryBytes }: ImageFolderOptions): void {
  const problems = new Problems("data", folder);
  const sides: readonly number[] = size === undefined ? [] : typeof size === "number" ? [size] : size;
  const isRight = (side: number): boolean => Number.isInteger(side) && side >= 1 && side <= 4096;
  problems.check(
    sides.every(isRight) && sides.length <= 2,
    "size",
    "whole numbers from 1 to 4096: a side, or height and width",
    sides.join(" x "),
  );
  const words: readonly unknown[] = [undefined, "squeezed", "kept"];
  problems.check(words.includes(proportions), "proportions", "squeezed or kept", proportions);
  problems.check(
    proportions !== "kept" || sides.length <= 1,
    "size",
    "the longer side alone, where proportions are kept",
    sides.join(" x "),
  );
  problems.check(channels === undefined || channels === 1 || channels === 3, "channels", "1 (grey) or 3 (colour)", channels);
  problems.check(maximumPixels === undefined || maximumPixels >= 1, "maximumPixels", ">= 1", maximumPixels);
  problems.check(memoryBytes === undefined || memoryBytes >= 0, "memoryBytes", ">= 0", memoryBytes);
  problems.throwIfAny();
}

/** What is known of the pictures after all of them were decoded once. */
interface Decoded {
  /** Row by row, when they fit. */
  readonly pixels: Uint8Array | undefined;
  /** Of every row, where they are unequal. */
  readonly extents: Int32Array | undefined;
  readonly moments: Float64Array;
  readonly faults: ReadonlyMap<number, string>;
  readonly isGrey: boolean;
}

async function decodeAll(
  paths: readonly string[],
  decode: PictureDecoder,
  shape: readonly number[],
  options: ImageFolderOptions,
): Promise<Decoded> {
  const [channels, height, width] = shape;
  const bytes = channels * height * width;
  const isKept = paths.length * bytes <= (options.memoryBytes ?? defaultMemoryBytes);
  const pixels = isKept ? examplePixels(paths.length, shape) : undefined;
  const moments = new Float64Array(paths.length * channels * 2);
  const faults = new Map<number, string>();
  const extents = options.proportions === "kept" ? new Int32Array(paths.length * 2) : undefined;
  let isGrey = true;
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    const scratch = new Uint8Array(isKept ? 0 : bytes);
    for (let row = next++; row < paths.length; row = next++) {
      const result = await readFile(paths[row]).then(
        (file) => decode(file, width, height, options.proportions),
        (error: Error) => ({ fault: error.message }),
      );
      if (isFault(result)) faults.set(row, result.fault);
      else {
        const [target, at] = pixels === undefined ? [scratch, 0] : [pixels, row * bytes];
        writePlanes(result, channels, target, at);
        extents?.set([result.height, result.width], row * 2);
        const own = shapeAt(shape, extents, row);
        byteMoments(target, at, own, moments, row * channels * 2);
        isGrey &&= channels === 3 && hasNoColour(target, at, own[1] * own[2]);
      }
      options.progress?.(++done, paths.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(decodedAtOnce, paths.length) }, work));
  return { pixels, extents, moments, faults, isGrey };
}

function hasNoColour(pixels: Uint8Array, from: number, cells: number): boolean {
  for (let red = from; red < from + cells; red++) {
    if (pixels[red] !== pixels[red + cells] || pixels[red] !== pixels[red + 2 * cells]) return false;
  }
  return true;
}

/** Grey pictures that were decoded as colour: their first plane. */
function firstPlane(pixels: Uint8Array, [channels, height, width]: readonly number[]): Uint8Array {
  const cells = height * width;
  const count = pixels.length / (channels * cells);
  const result = examplePixels(count, [1, height, width]);
  for (let row = 0; row < count; row++) result.set(pixels.subarray(row * channels * cells, (row * channels + 1) * cells), row * cells);
  return result;
}

function firstChannel(moments: Float64Array, channels: number): Float64Array {
  return Float64Array.from({ length: moments.length / channels }, (_, item) => moments[(item >> 1) * 2 * channels + (item & 1)]);
}

/** Throws when a class of a part lost every picture. */
function checkFaults(folder: string, { pictures, classes }: Listing, faults: ReadonlyMap<number, string>): void {
  const problems = new Problems("data", folder);
  const groups = new Map<string, number[]>();
  pictures.forEach(({ label, part }, row) => {
    const where = `${part} ${classes[label]}`;
    const rows = groups.get(where);
    if (rows === undefined) groups.set(where, [row]);
    else rows.push(row);
  });
  for (const rows of groups.values()) {
    const broken = rows.filter((row) => faults.has(row));
    const { part, label } = pictures[rows[0]];
    const received = `0 of ${rows.length}: ${named(broken, pictures, faults)}`;
    problems.check(broken.length < rows.length, `class ${classes[label]} (${part})`, ">= 1 picture that can be read", received);
  }
  problems.throwIfAny();
}

function named(rows: readonly number[], pictures: Listing["pictures"], faults: ReadonlyMap<number, string>): string {
  const list = rows.slice(0, mostNamed).map((row) => `${pictures[row].name} (${faults.get(row)})`);
  return `${list.join(", ")}${rows.length > mostNamed ? ` and ${rows.length - mostNamed} more` : ""}`;
}

function faultNotes({ pictures }: Listing, faults: ReadonlyMap<number, string>): string[] {
  if (faults.size === 0) return [];
  const rows = [...faults.keys()].sort((a, b) => a - b);
  return [`left out ${faults.size} of ${pictures.length} pictures: ${named(rows, pictures, faults)}`];
}

/** Members of each part, without the pictures that cannot be read. Ids are places in the listing. */
function membersOf(
  { pictures }: Listing,
  faults: ReadonlyMap<number, string>,
): { train: Members; validation?: Members; test?: Members; groups?: Int32Array } {
  const rowsOf = (part: PartName): number[] => pictures.flatMap((picture, row) => (picture.part === part && !faults.has(row) ? [row] : []));
  const members = (rows: readonly number[]): Members => ({
    rows: Int32Array.from(rows),
    ids: Int32Array.from(rows),
    labels: Int32Array.from(rows, (row) => pictures[row].label),
    names: rows.map((row) => pictures[row].name),
  });
  const train = rowsOf("train");
  const validation = rowsOf("validation");
  const test = rowsOf("test");
  return {
    train: members(train),
    ...(validation.length > 0 && { validation: members(validation) }),
    ...(test.length > 0 && { test: members(test) }),
    ...(train.some((row) => pictures[row].group !== "") && { groups: groupNumbers(train, pictures) }),
  };
}

/** A number per picture: the same for pictures of one sub-folder, its own for every other. */
function groupNumbers(rows: readonly number[], pictures: Listing["pictures"]): Int32Array {
  const numbers = new Map<string, number>();
  return Int32Array.from(rows, (row) => {
    const { label, group } = pictures[row];
    const key = group === "" ? `picture ${row}` : `folder ${label} ${group}`;
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
}

interface Opened {
  readonly examples: Examples;
  readonly split: (members: Members) => Split;
}

function decodedBefore(examples: Examples): Opened {
  return { examples, split: (members) => storedSplit(examples, members) };
}

function decodedOnDemand(
  files: Omit<FileExamples, "kind">,
  shape: readonly number[],
  normalisation: Normalisation,
  extents: Int32Array | undefined,
): Opened {
  const examples = examplesOf({ place: { kind: "files", ...files }, shape, normalisation, ...(extents && { extents }) });
  const reader = blockingReader(examples.data);
  const scale = scaleOf(shape, normalisation, true);
  const pixels = new Uint8Array(scale.channels * scale.cells);
  const close = async (): Promise<void> => {
    await Promise.all([examples.close(), reader.close()]);
  };
  return {
    examples: { ...examples, close },
    split: (members) => ({
      count: members.rows.length,
      ...members,
      ...ownExtents(examples.data, members),
      examples,
      read: (index, into, offset) => {
        const row = members.rows[index];
        reader.read(row, pixels);
        normaliseInto(pixels, 0, ownScale(scale, shapeAt(shape, extents, row)), into, offset);
      },
    }),
  };
}

/** How a net takes pictures. */
export interface PictureForm {
  readonly shape: readonly number[];
  readonly normalisation: Normalisation;
  readonly proportions?: Proportions;
  readonly decoder?: "auto" | Decoder;
}

/**
 * Reads one picture as a net takes it: [channels, height, width], normalised.
 *
 * Throws: ToeplitzError when the file is missing or is not a picture that can be read.
 */
export const readPicture = async (path: string, form: PictureForm): Promise<Float32Array> => (await readPictureTensor(path, form)).data;

/** The same with its shape, which is the picture's own where proportions are kept. */
export async function readPictureTensor(
  path: string,
  { shape, normalisation, proportions, decoder }: PictureForm,
): Promise<Tensor & { readonly data: Float32Array }> {
  const [channels, height, width] = shape;
  const bytes = await readFile(path).catch((error: Error) => fail("data", path, "picture", "a file that can be read", error.message));
  const decode = await openDecoder(await chooseDecoder(decoder));
  const raster = await decode(bytes, width, height, proportions);
  if (isFault(raster)) return fail("data", path, "picture", "a PNG, JPEG, WebP or GIF that can be read", raster.fault);
  const own = [channels, raster.height, raster.width];
  const pixels = new Uint8Array(size(own));
  writePlanes(raster, channels, pixels, 0);
  const into = new Float32Array(pixels.length);
  normaliseInto(pixels, 0, scaleOf(own, normalisation, true), into, 0);
  return { dtype: "f32", shape: own, data: into };
}
