import { fail } from "../base/errors.ts";
import type { Dataset } from "./dataset.ts";
import { digits } from "./digits.ts";
import { idxFolder, isIdxFolder } from "./idx.ts";
import { type ImageFolderOptions, imageFolder } from "./image-folder.ts";
import { isLabelledFolder, labelledFolder } from "./labelled-folder.ts";
import { openFolder } from "./listing.ts";

/** Options of `openDataset`; those of pictures do nothing elsewhere. */
export type OpenOptions = ImageFolderOptions;

const demoPattern = /^demo:digits(?::(\d+))?$/;

/**
 * Opens a set that is recognised by what is in it: `demo:digits` (or `demo:digits:N`, N examples to train on), a folder of idx files,
 * a folder of images and of label pictures (see `labelledFolder`), or a folder of class folders with pictures.
 *
 * Throws: ToeplitzError when nothing is there, or nothing that is known.
 * Example: `const set = await openDataset("flowers/", { size: 64, seed: 1 })`
 */
export async function openDataset(path: string, options: OpenOptions = {}): Promise<Dataset> {
  const { seed, holdout } = options;
  if (path.startsWith("demo:")) {
    const match = demoPattern.exec(path);
    if (match === null) return fail("data", path, "embedded set", "demo:digits or demo:digits:N", path);
    return digits({ seed, holdout, ...(match[1] && { train: Number(match[1]) }) });
  }
  const entries = await openFolder(path);
  if (isIdxFolder(entries.filter(({ isFolder }) => !isFolder).map(({ name }) => name))) return idxFolder(path, { seed, holdout });
  if (await isLabelledFolder(path, entries)) return labelledFolder(path, options);
  if (entries.some(({ isFolder }) => isFolder)) return imageFolder(path, options);
  const names = entries.map(({ name }) => name);
  const shown = `${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more files` : ""}`;
  return fail(
    "data",
    path,
    "contents",
    "class folders with pictures, or idx files (train-images-idx3-ubyte ...)",
    shown,
    "Put the pictures of each class into a folder named after it.",
  );
}
