import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail, Problems } from "../base/errors.ts";

/** Parts of a set. */
export type PartName = "train" | "validation" | "test";

/** One picture file of a set. */
export interface Picture {
  /** Path inside the set's folder, with `/`. */
  readonly name: string;
  readonly part: PartName;
  readonly label: number;
  /** Folder inside the class folder; pictures of one such folder (frames of one clip) belong together. Empty for the class folder itself. */
  readonly group: string;
}

/** What a folder of pictures holds. */
export interface Listing {
  readonly classes: readonly string[];
  /** Sorted by part, then by name. */
  readonly pictures: readonly Picture[];
  readonly notes: readonly string[];
}

/** A folder or file of a folder; links are followed. */
export interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
}

const partNames: { readonly [part in PartName]: readonly string[] } = {
  train: ["train", "training"],
  validation: ["val", "valid", "validation"],
  test: ["test", "testing"],
};

const parts: readonly PartName[] = ["train", "validation", "test"];

/** Endings of the files that are read. */
export const pictureEndings = [".png", ".jpg", ".jpeg", ".webp", ".gif"];

/** Deeper folders are not looked into: links may go in circles. */
const deepest = 8;

const isPicture = (name: string): boolean => pictureEndings.includes(ending(name));

function ending(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? "(none)" : name.slice(dot).toLowerCase();
}

/** Folders and files, sorted by code points; hidden ones are left out. */
export async function entriesOf(folder: string): Promise<Entry[]> {
  const found = await readdir(folder, { withFileTypes: true });
  const entries = await Promise.all(
    found
      .filter(({ name }) => !name.startsWith(".") && name !== "__MACOSX")
      .map(async (entry) => {
        const target = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => undefined) : entry;
        return target === undefined ? undefined : { name: entry.name, isFolder: target.isDirectory() };
      }),
  );
  return entries.filter((entry) => entry !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Reads a folder's entries. Throws ToeplitzError when it is missing, not a folder, or empty. */
export async function openFolder(folder: string): Promise<Entry[]> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) return fail("data", folder, "folder", "an existing folder", "nothing there", "Check the path.");
  if (!found.isDirectory()) return fail("data", folder, "folder", "a folder", "a file");
  const entries = await entriesOf(folder);
  if (entries.length === 0) fail("data", folder, "contents", "class folders with pictures, or idx files", "an empty folder");
  return entries;
}

/** The folder of each part, where the set is kept in parts. Throws ToeplitzError when a part has two folders or train is missing. */
export function partFolders(root: string, entries: readonly Entry[]): Partial<Record<PartName, string>> | undefined {
  const problems = new Problems("data", root);
  const folders: Partial<Record<PartName, string>> = {};
  for (const part of parts) {
    const found = entries.filter(({ name, isFolder }) => isFolder && partNames[part].includes(name.toLowerCase()));
    problems.check(found.length < 2, `${part} part`, "one folder", found.map(({ name }) => name).join(", "));
    if (found.length > 0) folders[part] = found[0].name;
  }
  if (Object.keys(folders).length === 0) return undefined;
  const found = Object.values(folders).join(", ");
  problems.check(
    folders.train !== undefined,
    "train part",
    "a folder train",
    `only ${found}`,
    "Training needs a folder named train beside it.",
  );
  problems.throwIfAny();
  return folders;
}

/** Counts files that are not read, by their ending. */
class Ignored {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(ending(name), (this.#counts.get(ending(name)) ?? 0) + 1);
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  notes(): string[] {
    if (this.total === 0) return [];
    const kinds = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `${kind} ${count}`);
    return [
      `ignored ${this.total} ${this.total === 1 ? "file that is" : "files that are"} not PNG, JPEG, WebP or GIF: ${kinds.join(", ")}`,
    ];
  }
}

/** Pictures of a class folder, its sub-folders included. */
async function picturesIn(folder: string, ignored: Ignored, depth = 0): Promise<{ name: string; group: string }[]> {
  const pictures: { name: string; group: string }[] = [];
  for (const { name, isFolder } of await entriesOf(folder)) {
    if (isFolder && depth < deepest) {
      const inner = await picturesIn(join(folder, name), ignored, depth + 1);
      pictures.push(
        ...inner.map((picture) => ({ name: `${name}/${picture.name}`, group: picture.group === "" ? name : `${name}/${picture.group}` })),
      );
    } else if (!isFolder && isPicture(name)) pictures.push({ name, group: "" });
    else if (!isFolder) ignored.add(name);
  }
  return pictures;
}

/**
 * Lists the pictures of a set: a folder of class folders, or of parts (train, and val or test or both) of class folders.
 *
 * Throws: ToeplitzError when the folder is missing or empty, has no class folders or only one, or a class has no pictures; every problem at once.
 */
export async function listPictures(root: string): Promise<Listing> {
  const entries = await openFolder(root);
  const folders = partFolders(root, entries) ?? { train: "" };
  const isDivided = folders.train !== "";
  const ignored = new Ignored();
  const notes: string[] = [];
  const problems = new Problems("data", root);
  const pictures: Picture[] = [];
  let classes: readonly string[] = [];
  const strayFiles = (folder: readonly Entry[], where: string): void => {
    const stray = folder.filter(({ name, isFolder }) => !isFolder && isPicture(name)).length;
    if (stray > 0) notes.push(`ignored ${stray} pictures of ${where} that are in no class folder`);
    for (const { name, isFolder } of folder) if (!isFolder && !isPicture(name)) ignored.add(name);
  };
  if (isDivided) {
    strayFiles(entries, "the folder itself");
    const others = entries.filter(({ name, isFolder }) => isFolder && !Object.values(folders).includes(name)).map(({ name }) => name);
    if (others.length > 0) notes.push(`ignored the folders ${others.join(", ")} beside ${Object.values(folders).join(", ")}`);
  }
  for (const part of parts) {
    const folder = folders[part];
    if (folder === undefined) continue;
    const inside = isDivided ? await entriesOf(join(root, folder)) : entries;
    strayFiles(inside, isDivided ? folder : "the folder itself");
    const found = inside.filter(({ isFolder }) => isFolder).map(({ name }) => name);
    if (part === "train") classes = found;
    const missing = classes.filter((name) => !found.includes(name));
    if (missing.length > 0) notes.push(`${folder} has no folder for ${missing.join(", ")}`);
    for (const name of found) {
      const where = isDivided ? `${folder}/${name}` : name;
      const label = classes.indexOf(name);
      if (!problems.check(label >= 0, `class ${where}`, `one of the training classes ${classes.join(", ")}`, name)) continue;
      const before = ignored.total;
      const list = await picturesIn(join(root, where), ignored);
      const received = ignored.total > before ? `0 (and ${ignored.total - before} other files)` : 0;
      problems.check(list.length > 0, `class ${where}`, `>= 1 picture (${pictureEndings.join(", ")})`, received);
      for (const picture of list) pictures.push({ name: `${where}/${picture.name}`, part, label, group: picture.group });
    }
  }
  const hint = "Put the pictures of each class into a folder named after it.";
  const stray = entries.some(({ name, isFolder }) => !isFolder && isPicture(name)) ? ", and pictures outside of them" : "";
  problems.check(
    classes.length >= 2,
    "class folders",
    ">= 2",
    `${classes.length}${classes.length === 1 ? ` (${classes[0]})` : stray}`,
    hint,
  );
  problems.throwIfAny();
  return { classes, pictures, notes: [...ignored.notes(), ...notes] };
}
