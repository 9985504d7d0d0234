import { unzipSync, type Zippable, zipSync } from "fflate";
import { fail } from "../base/errors.ts";
import type { Tensor } from "../base/types.ts";
import { readNpy, writeNpy } from "./npy.ts";

const room = "npz";
const suffix = ".npy";
/** No deflated byte stands for more: a match is at most 258 bytes long and takes at least 2 bits. */
const deflateLimit = 1032;

/**
 * Bytes of an .npz file: a zip of one .npy file per tensor. Equal contents in equal order give equal bytes.
 * Source: `numpy.savez` (stored) and `numpy.savez_compressed` (`compress`).
 * Throws: ToeplitzError where a tensor's array does not fit its type.
 * Example: `writeNpz(new Map([["train_images", images]]), { compress: true })`
 */
export function writeNpz(tensors: ReadonlyMap<string, Tensor>, { compress = false }: { readonly compress?: boolean } = {}): Uint8Array {
  const files: Zippable = {};
  for (const [name, tensor] of tensors) files[`${name}${suffix}`] = writeNpy(tensor);
  // the format's first day, so that the clock is not in the bytes
  return zipSync(files, { level: compress ? 6 : 0, mtime: new Date(1980, 0, 1) });
}

/**
 * Reads the tensors of an .npz file, by name, in the order of the file; entries that are not .npy files are left out.
 * Throws: ToeplitzError where the zip or one of its arrays is broken, or `names` asks for one that is not there.
 * Example: `readNpz(bytes, "pneumonia.npz", ["val_images"]).get("val_images")`
 */
export function readNpz(bytes: Uint8Array, where = "", names?: readonly string[]): Map<string, Tensor> {
  const present: string[] = [];
  const files = unzip(bytes, where, (file) => {
    const name = file.slice(0, -suffix.length);
    if (!file.endsWith(suffix)) return false;
    present.push(name);
    return names === undefined || names.includes(name);
  });
  const missing = (names ?? []).filter((name) => !present.includes(name));
  if (missing.length > 0) fail(room, where, "array names", `among ${present.join(", ") || "none at all"}`, missing.join(", "));
  return new Map(files.map(([file, content]) => [file.slice(0, -suffix.length), readNpy(content, `${where}:${file}`)]));
}

function unzip(bytes: Uint8Array, where: string, wanted: (file: string) => boolean): [string, Uint8Array][] {
  const claims: { readonly name: string; readonly bytes: number; readonly packed: number }[] = [];
  try {
    const filter = ({ name, size, originalSize }: { name: string; size: number; originalSize: number }): boolean => {
      if (!wanted(name)) return false;
      claims.push({ name, bytes: originalSize, packed: size });
      // refused before memory is taken
      return originalSize <= size * deflateLimit && size <= bytes.length;
    };
    const files = unzipSync(bytes, { filter });
    for (const { name, bytes: claimed, packed } of claims) {
      if (!Object.hasOwn(files, name)) fail(room, where, name, `<= ${packed * deflateLimit} bytes from ${packed} packed ones`, claimed);
    }
    return Object.entries(files);
  } catch (error) {
    if (error instanceof Error && error.name === "ToeplitzError") throw error;
    const said = error instanceof Error ? error.message : String(error);
    return fail(
      room,
      where,
      "file",
      "a whole zip file",
      `${bytes.length} bytes that cannot be unpacked (${said})`,
      "The file is cut short, or is not a zip.",
    );
  }
}
