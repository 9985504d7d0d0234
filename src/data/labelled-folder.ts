import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { decode as decodePng } from "fast-png";
import { fail, Problems } from "../base/errors.ts";
import { size } from "../base/types.ts";
import type { Dataset, LabelledPicture, Normalisation, Split } from "./dataset.ts";
import { chooseDecoder, openDecoder, type PictureDecoder, writePlanes } from "./decode.ts";
import { checkHoldout, holdoutSize } from "./holdout.ts";
import type { ImageFolderOptions } from "./image-folder.ts";
import { type CellForm, croppedSplit, tiledSplit } from "./labelled-cells.ts";
import { type Entry, entriesOf, openFolder, type PartName, partFolders, pictureEndings } from "./listing.ts";
import { isFault, type PictureFault, readHeader, uprightSize } from "./picture-header.ts";
import { byteMoments } from "./statistics.ts";

const imageNames = ["images", "image", "imgs", "img", "inputs", "input", "pictures", "raw", "x"];
const labelNames = [
  ...["labels", "label", "masks", "mask", "annotations", "annotation", "targets", "target", "segmentations", "segmentation"],
  ...["groundtruth", "ground-truth", "ground_truth", "gt", "y"],
];

/** What the name of a label picture may have behind the name of its image. */
const labelSuffix = /[-_.](labels?|masks?|gt|seg|segmentation|annotations?|groundtruth|target|manual\d*)$/i;

/** Share of pictures kept for the test, where the folder is not divided. */
const testShare = 0.2;

/** Side of the examples that are cut from pictures. */
const usualSide = 128;

const mostClasses = 64;
const mostNamed = 10;

/** The folders of images and of labels, where there is one of each. */
export function pairFolders(entries: readonly Entry[]): { images: string; labels: string } | undefined {
  const named = (names: readonly string[]): string[] =>
    entries.filter(({ name, isFolder }) => isFolder && names.includes(name.toLowerCase())).map(({ name }) => name);
  const [images, labels] = [named(imageNames), named(labelNames)];
  return images.length === 1 && labels.length === 1 ? { images: images[0], labels: labels[0] } : undefined;
}

/** True for a folder of images and labels, or of parts (train, test ...) that are such folders. */
export async function isLabelledFolder(root: string, entries: readonly Entry[]): Promise<boolean> {
  if (pairFolders(entries) !== undefined) return true;
  const train = entries.find(({ name, isFolder }) => isFolder && /^train(ing)?$/i.test(name));
  return train !== undefined && pairFolders(await entriesOf(join(root, train.name))) !== undefined;
}

/** An image and its labels, as paths. */
interface Pair {
  readonly name: string;
  readonly image: string;
  readonly label: string;
}

const stemOf = (name: string): string => basename(name, extname(name));

/** Pairs the files of one part by their names, in the order of the numbers in them. */
async function pairsOf(root: string, folder: string, problems: Problems): Promise<Pair[]> {
  const where = join(root, folder);
  const folders = pairFolders(await entriesOf(where));
  const hint = `Names known for images: ${imageNames.slice(0, 5).join(", ")} ...; for labels: ${labelNames.slice(0, 4).join(", ")} ...`;
  if (!problems.check(folders !== undefined, `part ${folder}`, "a folder of images and a folder of labels", "others", hint)) return [];
  const { images, labels } = folders as { images: string; labels: string };
  const files = async (inside: string): Promise<string[]> =>
    (await entriesOf(join(where, inside)))
      .filter(({ name, isFolder }) => !isFolder && pictureEndings.includes(extname(name).toLowerCase()))
      .map(({ name }) => name);
  const byStem = new Map<string, string>();
  for (const name of await files(labels)) {
    byStem.set(stemOf(name), name);
    byStem.set(stemOf(name).replace(labelSuffix, ""), name);
  }
  const found = (await files(images)).sort(new Intl.Collator("en", { numeric: true }).compare);
  const lonely = found.filter((name) => !byStem.has(stemOf(name)));
  const listed = `${lonely.slice(0, mostNamed).join(", ")}${lonely.length > mostNamed ? ` and ${lonely.length - mostNamed} more` : ""}`;
  const shown = join(folder, images);
  problems.check(found.length > 0, `images of ${shown}`, ">= 1 picture", 0);
  problems.check(
    lonely.length === 0,
    `labels of ${shown}`,
    `a file of the same name in ${join(folder, labels)} for each of ${found.length} images`,
    `none for ${listed}`,
    "A label picture is named as its image, with another ending or with -mask, _label ... behind it.",
  );
  const matched = found.filter((name) => byStem.has(stemOf(name)));
  return matched.map((name) => ({
    name: [folder, images, name].filter((part) => part !== "").join("/"),
    image: join(where, images, name),
    label: join(where, labels, byStem.get(stemOf(name)) ?? ""),
  }));
}

/** Codes of the cells of a label picture: its grey level, its palette index, or its colour as 0xRRGGBB. */
export function readLabelCodes(bytes: Uint8Array): { width: number; height: number; codes: Int32Array } | { fault: string } {
  const header = readHeader(bytes);
  if (isFault(header)) return header;
  if (header.format !== "png") return { fault: `a ${header.format} picture, whose levels may have been blurred` };
  try {
    const { width, height, data, channels, depth, palette } = decodePng(bytes);
    const [step, isPacked] = [palette === undefined ? channels : 1, depth < 8];
    const rowBytes = Math.ceil((width * depth) / 8);
    const largest = 2 ** depth - 1;
    // grey of few bits counts as the level that it is shown at
    const unit = palette === undefined ? 255 / largest : 1;
    const packed = (cell: number): number => {
      const bit = (cell % width) * depth;
      const byte = data[Math.floor(cell / width) * rowBytes + (bit >> 3)];
      return ((byte >> (8 - depth - (bit & 7))) & largest) * unit;
    };
    const whole = (cell: number): number => {
      const at = cell * step;
      return step < 3 ? data[at] : (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    };
    const codes = Int32Array.from({ length: width * height }, (_, cell) => (isPacked ? packed(cell) : whole(cell)));
    return { width, height, codes };
  } catch (thrown) {
    return { fault: `damaged: ${thrown instanceof Error ? thrown.message.split("\n")[0] : String(thrown)}` };
  }
}

interface Read {
  readonly picture: Omit<LabelledPicture, "labels">;
  readonly codes: Int32Array;
}

/** A picture at its own size, upright. */
export async function wholePicture(
  bytes: Uint8Array,
  decode: PictureDecoder,
  channels: number,
): Promise<Pick<LabelledPicture, "shape" | "pixels"> | PictureFault> {
  const header = readHeader(bytes);
  if (isFault(header)) return header;
  const { width, height } = uprightSize(header);
  const raster = await decode(bytes, width, height);
  if (isFault(raster)) return raster;
  const pixels = new Uint8Array(channels * width * height);
  writePlanes(raster, channels, pixels, 0);
  return { shape: [channels, height, width], pixels };
}

/** Opens a picture file at its own size. Throws ToeplitzError when it is missing or cannot be read. */
export async function readWholePicture(
  path: string,
  channels: number,
  decoder?: ImageFolderOptions["decoder"],
): Promise<Pick<LabelledPicture, "shape" | "pixels">> {
  const bytes = await readFile(path).catch((error: Error) => fail("data", path, "picture", "a file that can be read", error.message));
  const picture = await wholePicture(bytes, await openDecoder(await chooseDecoder(decoder)), channels);
  return isFault(picture) ? fail("data", path, "picture", "a PNG, JPEG, WebP or GIF that can be read", picture.fault) : picture;
}

async function readPair(
  { name, image, label }: Pair,
  decode: PictureDecoder,
  channels: number,
  problems: Problems,
): Promise<Read | undefined> {
  const [bytes, labelBytes] = await Promise.all([readFile(image), readFile(label)]);
  const [picture, labels] = [await wholePicture(bytes, decode, channels), readLabelCodes(labelBytes)];
  const reason = (result: object): string => (isFault(result) ? result.fault : "");
  problems.check(!isFault(picture), `image ${name}`, "a PNG, JPEG, WebP or GIF that can be read", reason(picture));
  problems.check(!isFault(labels), `labels of ${name}`, "a PNG of grey levels, indices or colours", reason(labels));
  if (isFault(picture) || isFault(labels)) return undefined;
  const [, height, width] = picture.shape;
  const fits = labels.width === width && labels.height === height;
  const rule = `${height} x ${width} cells (height x width), as the image`;
  if (!problems.check(fits, `labels of ${name}`, rule, `${labels.height} x ${labels.width}`)) return undefined;
  return { picture: { name, ...picture }, codes: labels.codes };
}

/** The codes that occur, in order: the classes. */
function codesOf(folder: string, read: readonly Read[]): number[] {
  const all = new Set<number>();
  for (const { codes } of read) for (const code of codes) all.add(code);
  const problems = new Problems("data", folder);
  const hint = "Labels are one level per class; pictures that were resized or stored as JPEG have many more.";
  problems.check(
    all.size >= 2 && all.size <= mostClasses,
    "levels in the label pictures",
    `2 to ${mostClasses}, one for each class`,
    all.size,
    hint,
  );
  problems.throwIfAny();
  return [...all].sort((a, b) => a - b);
}

function normalisationOf(pictures: readonly LabelledPicture[], channels: number): Normalisation {
  const sums = new Float64Array(2 * channels);
  const moments = new Float64Array(2 * channels);
  let cells = 0;
  for (const { pixels, shape } of pictures) {
    byteMoments(pixels, 0, shape, moments, 0);
    moments.forEach((value, item) => {
      sums[item] += value;
    });
    cells += size(shape.slice(1));
  }
  const mean = Array.from({ length: channels }, (_, channel) => sums[2 * channel] / cells);
  const deviation = mean.map((value, channel) => Math.sqrt(Math.max(0, sums[2 * channel + 1] / cells - value * value)));
  return { mean: mean.map((value) => value / 255), deviation: deviation.map((value) => (value < 1e-3 ? 1 : value / 255)) };
}

/** The pictures of each part. Those that follow one another are often alike, so that whole ends of the order are set aside. */
function divideInOrder(
  found: Partial<Record<PartName, readonly LabelledPicture[]>>,
  holdout: number | undefined,
  where: string,
): {
  readonly train: LabelledPicture[];
  readonly validation: LabelledPicture[];
  readonly test: LabelledPicture[];
  readonly notes: string[];
} {
  const notes: string[] = [];
  let train = [...(found.train ?? [])];
  let { test, validation } = found;
  const take = (part: string, count: number): LabelledPicture[] => {
    const all = train.length;
    const taken = Math.min(count, all - 1);
    const own = train.slice(all - taken);
    train = train.slice(0, all - taken);
    notes.push(`${part}: the last ${own.length} of ${all} pictures, in the order of their names`);
    return own;
  };
  if (test === undefined && validation !== undefined) {
    [test, validation] = [validation, undefined];
    notes.push("test: the validation folder, scored once at the end; every choice is made on a part of train");
  }
  checkHoldout(holdout, train.length, where);
  // without a hold-out a set that is not divided stays whole
  test ??= take("test", holdout === 0 ? 0 : Math.max(1, Math.round(testShare * train.length)));
  validation ??= take("validation", holdout === 0 ? 0 : Math.max(1, holdoutSize(holdout, train.length)));
  return { train, validation: [...validation], test: [...test], notes };
}

/** Extents of the examples: as asked, else a multiple of 16 of at most 128 that every picture holds. */
function exampleExtents(pictures: readonly LabelledPicture[], wanted: ImageFolderOptions["size"]): number[] {
  if (wanted !== undefined) return typeof wanted === "number" ? [wanted, wanted] : [...wanted];
  return [1, 2].map((axis) => {
    const least = pictures.reduce((extent, { shape }) => Math.min(extent, shape[axis]), Number.POSITIVE_INFINITY);
    return least >= 16 ? Math.min(usualSide, least - (least % 16)) : least;
  });
}

const nameOf = (code: number): string => (code > 255 ? `#${code.toString(16).padStart(6, "0")}` : String(code));

/**
 * Opens a folder of pictures and of label pictures that say the class of every cell: `images/` and `labels/` (or `masks/` and other usual names), also below train,
 * val and test. A label picture is a PNG named as its image; each of its grey levels, palette indices or colours is a class, named by its number. Examples are parts
 * of the pictures: random ones for training (as many an epoch as cover the pictures once), overlapping tiles for validation. What is missing of the parts is taken
 * from the end of the pictures in the order of their names (numbers count as numbers), since neighbours in a series are alike: 20 % for the test.
 *
 * Shapes: examples [1 or 3, ...size], `size` being that of the parts that are cut out; labels i32 [...size].
 * Throws: ToeplitzError naming every image without labels, every pair of unequal sizes, and every file that cannot be read.
 * Example: `const cells = await labelledFolder("membranes/", { size: 128 })`
 */
export async function labelledFolder(folder: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const entries = await openFolder(folder);
  const problems = new Problems("data", folder);
  const folders = pairFolders(entries) === undefined ? (partFolders(folder, entries) ?? { train: "" }) : { train: "" };
  const pairs = await Promise.all(
    Object.entries(folders).map(async ([part, inside]) => [part as PartName, await pairsOf(folder, inside, problems)] as const),
  );
  problems.throwIfAny();
  const decoder = await chooseDecoder(options.decoder);
  const decode = await openDecoder(decoder, options.maximumPixels);
  const total = pairs.reduce((sum, [, list]) => sum + list.length, 0);
  const read: (Read & { part: PartName })[] = [];
  for (const [part, list] of pairs) {
    for (const pair of list) {
      const one = await readPair(pair, decode, options.channels ?? 3, problems);
      if (one !== undefined) read.push({ ...one, part });
      options.progress?.(read.length, total);
    }
  }
  problems.throwIfAny();
  const codes = codesOf(folder, read);
  const classOf = new Map(codes.map((code, index) => [code, index]));
  const isGrey = options.channels === undefined && read.every(({ picture }) => hasNoColour(picture));
  const labelled = read.map(({ picture, codes: own, part }) => ({
    part,
    picture: { ...(isGrey ? firstPlane(picture) : picture), labels: Uint8Array.from(own, (code) => classOf.get(code) ?? 0) },
  }));
  const found = Object.fromEntries(
    pairs.map(([part]) => [part, labelled.filter((one) => one.part === part).map(({ picture }) => picture)]),
  );
  const { train, validation, test, notes } = divideInOrder(found, options.holdout, folder);
  const extents = exampleExtents(train, options.size);
  const channels = isGrey ? 1 : (options.channels ?? 3);
  const form: CellForm = { shape: [channels, ...extents], normalisation: normalisationOf(train, channels) };
  const trainSplit = croppedSplit(train, form, 0);
  const validationSplit = tiledSplit(validation, form, trainSplit.count);
  const testSplit: Split = tiledSplit(test, form, trainSplit.count + validationSplit.count);
  return {
    name: folder,
    shape: form.shape,
    classes: codes.map(nameOf),
    train: trainSplit,
    validation: validationSplit,
    test: testSplit,
    normalisation: form.normalisation,
    notes: [
      `every cell has a class; examples are parts of ${extents.join(" x ")} of ${train.length} training pictures`,
      ...notes,
      `pictures decoded by ${decoder}`,
    ],
  };
}

function hasNoColour({ pixels, shape }: Omit<LabelledPicture, "labels">): boolean {
  const cells = size(shape.slice(1));
  for (let cell = 0; cell < cells; cell++) {
    if (pixels[cell] !== pixels[cells + cell] || pixels[cell] !== pixels[2 * cells + cell]) return false;
  }
  return true;
}

const firstPlane = (picture: Omit<LabelledPicture, "labels">): Omit<LabelledPicture, "labels"> => {
  const [, ...extents] = picture.shape;
  return { ...picture, shape: [1, ...extents], pixels: picture.pixels.slice(0, size(extents)) };
};

/** Level of a class in a label picture: its own where classes are named by levels, else spread from black to white. */
export function levelsOf(classes: readonly string[]): Uint8Array {
  const own = classes.map(Number);
  const isLevels = own.every((level) => Number.isInteger(level) && level >= 0 && level <= 255);
  return Uint8Array.from(isLevels ? own : classes.map((_, index) => Math.round((255 * index) / Math.max(1, classes.length - 1))));
}
