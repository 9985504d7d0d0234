import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail, Problems } from "../base/errors.ts";
import { size } from "../base/types.ts";
import type { Dataset } from "./dataset.ts";
import { examplePixels, type Members } from "./examples.ts";
import { membersFrom, storedDataset } from "./stored.ts";

/** Options of `idxFolder`. */
export interface IdxOptions {
  /** Seed of the validation part. Default 0. */
  readonly seed?: number;
  /** Validation part: a fraction or a number of examples. Default: 15 % of train, at most 5,000. */
  readonly holdout?: number;
  /** Class names; a label is an index into them. Default: the distinct training labels, in order. */
  readonly classes?: readonly string[];
}

/** An idx file of unsigned bytes. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

async function unpack(bytes: Uint8Array): Promise<Uint8Array> {
  const { gunzip } = await import("node:zlib");
  return new Promise((resolve, reject) => gunzip(bytes, (error, plain) => (error === null ? resolve(plain) : reject(error))));
}

/** `train-images-idx3-ubyte`, `t10k-labels.idx1-ubyte.gz` and their like, with anything before. */
const filePattern = /(train|t10k|test)-(images|labels)[-.]idx[1-4]-ubyte(\.gz)?$/;

/** True when the file names are those of an idx set. */
export function isIdxFolder(names: readonly string[]): boolean {
  return names.some((name) => filePattern.test(name));
}

/**
 * Reads idx bytes: two zeros, type 8 (unsigned bytes), the number of axes, each extent as a big-endian 32-bit number, then the data.
 *
 * Throws: ToeplitzError when the magic number, the number of axes or the length is wrong.
 */
export function parseIdx(bytes: Uint8Array, where: string, axes: readonly [number, number]): IdxArray {
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  if (bytes.length < 4) fail("idx", where, "length", ">= 4 bytes of magic number", `${bytes.length} bytes`);
  const [low, high] = axes;
  const rank = bytes[3];
  const isMagic = bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 8 && rank >= low && rank <= high;
  const wanted = `00 00 08 and ${low === high ? `${low}` : `${low} to ${high}`} axes`;
  if (!isMagic) fail("idx", where, "magic number", wanted, hex);
  const header = 4 + 4 * rank;
  if (bytes.length < header) fail("idx", where, "length", `>= ${header} bytes of header`, `${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = header + size(shape);
  if (bytes.length !== expected)
    fail("idx", where, "length", `${expected} bytes (header ${header}, ${shape.join(" x ")} cells)`, `${bytes.length} bytes`);
  return { shape, data: bytes.subarray(header) };
}

async function readIdx(folder: string, name: string, axes: readonly [number, number]): Promise<IdxArray> {
  const bytes = await readFile(join(folder, name));
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return parseIdx(bytes, name, axes);
  const plain = await unpack(bytes).catch((error: Error) => fail("idx", name, "gzip", "a whole gzip file", error.message));
  return parseIdx(plain, name, axes);
}

/** The file of one part and kind; the one that is not packed goes first. */
function findFile(names: readonly string[], part: "train" | "test", kind: "images" | "labels"): string | undefined {
  const found = names.filter((name) => {
    const match = filePattern.exec(name);
    return match !== null && (match[1] === "train") === (part === "train") && match[2] === kind;
  });
  return found.sort((a, b) => Number(a.endsWith(".gz")) - Number(b.endsWith(".gz")))[0];
}

interface Part {
  readonly images: IdxArray;
  readonly labels: IdxArray;
  readonly labelsName: string;
}

async function readPart(folder: string, names: readonly string[], part: "train" | "test"): Promise<Part | undefined> {
  const images = findFile(names, part, "images");
  const labels = findFile(names, part, "labels");
  if (images === undefined && labels === undefined) return undefined;
  const hint = "A part of an idx set is two files, images and labels.";
  if (images === undefined) return fail("idx", folder, `${part} images`, "a file such as train-images-idx3-ubyte", "none", hint);
  if (labels === undefined) return fail("idx", folder, `${part} labels`, "a file such as train-labels-idx1-ubyte", "none", hint);
  const result = { images: await readIdx(folder, images, [3, 4]), labels: await readIdx(folder, labels, [1, 1]), labelsName: labels };
  const count = result.images.shape[0];
  if (count < 1) fail("idx", images, "images", ">= 1", count);
  if (result.labels.shape[0] !== count) fail("idx", labels, "labels", `${count}, one per image of ${images}`, result.labels.shape[0]);
  return result;
}

/** Class indices of the labels. */
function classIndices({ labels, labelsName }: Part, values: readonly number[], rule: string): Int32Array {
  const indexOf = new Int32Array(256).fill(-1);
  values.forEach((value, index) => {
    indexOf[value] = index;
  });
  return Int32Array.from(labels.data, (label, index) => {
    if (indexOf[label] < 0) fail("idx", labelsName, "label", rule, `${label} at example ${index}`);
    return indexOf[label];
  });
}

/**
 * Opens a folder of idx files (MNIST and its kin): train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each packed (.gz) or not.
 * The validation part is split from train; without t10k files the test part is, too.
 *
 * Shapes: images [examples, height, width] or [examples, depth, height, width] become examples [1, ...extents].
 * Throws: ToeplitzError when a file is missing, has a wrong magic number or length, counts differ, or a label is out of range.
 */
export async function idxFolder(folder: string, options: IdxOptions = {}): Promise<Dataset> {
  const names = await readdir(folder);
  const train = await readPart(folder, names, "train");
  if (train === undefined) return fail("idx", folder, "train images", "a file such as train-images-idx3-ubyte", "none");
  const test = await readPart(folder, names, "test");
  const extents = train.images.shape.slice(1);
  const problems = new Problems("idx", folder);
  if (test !== undefined)
    problems.check(
      String(test.images.shape.slice(1)) === String(extents),
      "test images",
      `extents ${extents.join(" x ")} as in train`,
      test.images.shape.slice(1).join(" x "),
    );
  problems.check(size(extents) > 0, "images", "extents >= 1", extents.join(" x "));
  problems.throwIfAny();
  const values = options.classes?.map((_, index) => index) ?? [...new Set(train.labels.data)].sort((a, b) => a - b);
  const rule = options.classes === undefined ? `one of the training labels ${values.join(", ")}` : `0 to ${values.length - 1}`;
  const shape = [1, ...extents];
  const trainCount = train.images.shape[0];
  const pixels = examplePixels(trainCount + (test?.images.shape[0] ?? 0), shape);
  pixels.set(train.images.data);
  if (test !== undefined) pixels.set(test.images.data, train.images.data.length);
  const members = (part: Part, first: number): Members => membersFrom(first, classIndices(part, values, rule));
  return storedDataset({
    name: folder,
    shape,
    classes: options.classes ?? values.map(String),
    pixels,
    parts: { train: members(train, 0), ...(test && { test: members(test, trainCount) }) },
    holdout: options.holdout,
    seed: options.seed ?? 0,
  });
}
