import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fail, ToeplitzError } from "../base/errors.ts";
import { readSafetensors } from "../formats/safetensors.ts";
import { writeFileWhole } from "../formats/write-file.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import type { KeptRun } from "./fit.ts";
import { printHistory } from "./history.ts";
import { findHolder, lockFolder } from "./lock.ts";
import type { Model } from "./model.ts";

/** Files of a run folder. */
export const runFiles = {
  config: "config.json",
  metrics: "metrics.csv",
  model: "model.safetensors",
  checkpoint: "last.safetensors",
  report: "report.html",
} as const;

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** True for a folder that a run was kept in. */
export async function isRunFolder(folder: string): Promise<boolean> {
  return (await exists(join(folder, runFiles.config))) || (await exists(join(folder, runFiles.checkpoint)));
}

/**
 * The folder of one run: `config.json`, `metrics.csv`, `model.safetensors` (best), `last.safetensors`, `report.html`. Every file is written aside, then renamed.
 * A run holds a lock while it is open.
 */
export class RunFolder {
  readonly path: string;
  readonly isNew: boolean;
  readonly #release: () => Promise<void>;
  #isKept: boolean;

  private constructor(path: string, isNew: boolean, release: () => Promise<void>) {
    this.path = path;
    this.isNew = isNew;
    this.#release = release;
    this.#isKept = !isNew;
  }

  get name(): string {
    return basename(this.path);
  }

  /**
   * Makes the folder of a new run.
   * Throws: ToeplitzError when it is there, or cannot be made.
   */
  static async create(path: string): Promise<RunFolder> {
    await checkNew(path);
    const parent = join(path, "..");
    await mkdir(parent, { recursive: true }).catch((error) => refuseMaking(path, error));
    await mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") refuseMaking(path, error);
    });
    const release = await lockFolder(path);
    // between the check and the lock another run may have come and gone
    if (await isRunFolder(path)) {
      await release();
      await checkNew(path);
    }
    return new RunFolder(path, true, release);
  }

  /** Makes the folder of a new run under the first free name: `digits`, `digits-2`, `digits-3` and so on. */
  static async createNext(runs: string, base: string): Promise<RunFolder> {
    for (let number = 1; ; number++) {
      const path = join(runs, number === 1 ? base : `${base}-${number}`);
      if (await exists(path)) continue;
      try {
        return await RunFolder.create(path);
      } catch (error) {
        // another run took the name at the same time
        if (!(await exists(path)) || !(error instanceof ToeplitzError)) throw error;
      }
    }
  }

  /**
   * Opens the folder of a run that is to go on.
   * Throws: ToeplitzError when there is none, or it is in use.
   */
  static async resume(path: string): Promise<RunFolder> {
    if (!(await isRunFolder(path)))
      fail(
        "run",
        path,
        "folder",
        `a run with ${runFiles.checkpoint}`,
        (await exists(path)) ? "a folder of something else" : "nothing there",
      );
    return new RunFolder(path, false, await lockFolder(path));
  }

  async read(file: keyof typeof runFiles): Promise<Uint8Array | null> {
    return readFile(join(this.path, runFiles[file])).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
  }

  async write(file: keyof typeof runFiles, content: Uint8Array | string): Promise<void> {
    await writeFileWhole(join(this.path, runFiles[file]), content);
  }

  /** The best model first: a run that ends between the two makes it again. */
  async save(checkpoint: Checkpoint, model: Model | null): Promise<void> {
    if (model !== null) await this.write("model", model.encode());
    await this.write("checkpoint", encodeCheckpoint(checkpoint));
    await this.write("metrics", printHistory(checkpoint.progress.history));
    this.#isKept = true;
  }

  /** Where the run stopped; null when it ended before its first checkpoint. */
  async load(): Promise<KeptRun | null> {
    const bytes = await this.read("checkpoint");
    if (bytes === null) return null;
    const where = join(this.path, runFiles.checkpoint);
    const checkpoint = decodeCheckpoint(bytes, where);
    const model = checkpoint.progress.best === null ? null : await this.read("model");
    if (checkpoint.progress.best !== null && model === null) fail("run", this.path, "best weights", runFiles.model, "none");
    return { checkpoint, where, best: model === null ? null : readSafetensors(model, join(this.path, runFiles.model)).tensors };
  }

  /** Lets others use the folder; a new one that nothing was kept in is removed. */
  async close(): Promise<void> {
    if (!this.#isKept) await rm(this.path, { recursive: true, force: true });
    await this.#release();
  }
}

/** Throws: ToeplitzError when a run of this name is there, or is being made. */
export async function checkNew(path: string): Promise<void> {
  const name = basename(path);
  const isName = name !== "" && name !== "." && name !== "..";
  if (!isName) fail("run", path, "name", "a folder name", JSON.stringify(name));
  const found = await stat(path).catch(() => null);
  if (found === null) return;
  if (!found.isDirectory()) fail("run", path, "folder", "a name that is free", "a file");
  const holder = await findHolder(path);
  if (holder !== null)
    fail(
      "run",
      path,
      "folder",
      "one that no other run writes to",
      `${holder} is training in it`,
      "Wait for it to end, or choose another --name.",
    );
  const entries = await readdir(path);
  // a lock alone is left by a run that was killed before its first checkpoint
  if (entries.every((entry) => entry.startsWith(".lock") || entry.endsWith(".part"))) return;
  const hint = "Go on with it by --resume, or choose another --name.";
  fail(
    "run",
    path,
    "folder",
    "a name that is free",
    (await isRunFolder(path)) ? "a run that is kept there" : "a folder with other files",
    hint,
  );
}

function refuseMaking(path: string, error: NodeJS.ErrnoException): never {
  const hint = "Choose another --runs folder.";
  fail("run", path, "folder", "one that can be made", `${error.code ?? error.message}`, hint);
}

/** The newest run of a folder of runs: the one whose checkpoint was written last. Throws: ToeplitzError when there is none. */
export async function newestRun(runs: string): Promise<string> {
  const names = await readdir(runs).catch(() => []);
  let newest: { path: string; time: number } | null = null;
  for (const name of names) {
    const file = await stat(join(runs, name, runFiles.checkpoint)).catch(() => null);
    if (file !== null && (newest === null || file.mtimeMs > newest.time)) newest = { path: join(runs, name), time: file.mtimeMs };
  }
  return newest?.path ?? fail("run", runs, "run", "at least one to go on with", "none", "Train first, or name the run by --name.");
}
