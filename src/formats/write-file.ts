import { type FileHandle, open, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fail } from "../base/errors.ts";

/**
 * Writes a file whole or not at all: to a new file beside it, flushed to the disk, then renamed onto it; readers see the old bytes or the new.
 * A file that was there keeps its mode, and a link to it stays a link.
 * Throws: ToeplitzError when the disk is full, the folder is missing or may not be written; the file that was there is whole, nothing is left beside it.
 * Example: `await writeFileWhole("runs/a/last.safetensors", writeSafetensors(state))`
 */
export async function writeFileWhole(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const target = await realpath(path).catch(() => path);
  const old = await stat(target).catch(() => null);
  if (old?.isDirectory()) fail("file", path, "path", "a file", "a folder");
  const aside = join(dirname(target), `.toeplitz-${process.pid}-${crypto.randomUUID()}.part`);
  try {
    await writeFlushed(aside, bytes, old === null ? undefined : old.mode & 0o777);
    await rename(aside, target);
  } catch (error) {
    await unlink(aside).catch(() => undefined);
    const state = old === null ? "Nothing was written." : "The previous file is whole.";
    return refuse(path, bytes.length, error, state);
  }
  await flushFolder(dirname(target));
}

async function writeFlushed(path: string, bytes: Uint8Array, mode: number | undefined): Promise<void> {
  const file = await open(path, "wx");
  try {
    if (mode !== undefined) await file.chmod(mode);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the new name survive a power cut. Systems that cannot flush a folder (Windows) keep names safe by other means. */
async function flushFolder(path: string): Promise<void> {
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, "r");
    await folder.sync();
  } catch {
    // the file itself is flushed and in place
  } finally {
    await folder?.close();
  }
}

function refuse(path: string, length: number, error: unknown, state: string): never {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const said = error instanceof Error ? error.message : String(error);
  const folder = dirname(path);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    const received = { ENOSPC: "a full disk", EDQUOT: "a used-up quota", EFBIG: "a limit on the size of files" }[code];
    fail("file", path, "space", `room for ${length} bytes`, `${received} (${code})`, `${state} Free some space, then go on.`);
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    fail(
      "file",
      path,
      "permission",
      `the right to write in ${folder}`,
      code === "EROFS" ? `a read-only disk (${code})` : `none (${code})`,
      state,
    );
  }
  if (code === "ENOENT" || code === "ENOTDIR") {
    fail("file", path, "folder", `${folder} to be a folder that exists`, code === "ENOENT" ? `none (${code})` : `a file (${code})`, state);
  }
  fail("file", path, "writing", `${length} bytes written`, said, state);
}
