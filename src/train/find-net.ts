import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fail } from "../base/errors.ts";
import { models } from "../nn/models/index.ts";
import type { Net } from "../nn/scope.ts";

const endings = [".ts", ".mts", ".js", ".mjs"];

/** True for what names a file of the user's own rather than a model. */
export const isNetFile = (name: string): boolean => endings.some((ending) => name.endsWith(ending));

/**
 * A net by the name of a model, or from a file that exports `net`, or `createNet(shape, classes, unequal)`; `unequal` says that examples have extents of their own.
 * Throws: ToeplitzError when there is no such model or file, or it exports neither.
 */
export async function findNet(name: string, shape: readonly number[], classes: number, unequal = false): Promise<Net> {
  if (Object.hasOwn(models, name)) return models[name](shape, classes, unequal);
  const known = `one of ${Object.keys(models).join(", ")}, or a file (${endings.join(", ")}) that exports net`;
  if (!isNetFile(name)) return fail("model", name, "name", known, name);
  const path = resolve(name);
  if (!(await stat(path).catch(() => null))?.isFile()) return fail("model", name, "file", "a file that exports net", "nothing there");
  const module: unknown = await import(pathToFileURL(path).href).catch((error: Error) => {
    const isOld = "code" in error && error.code === "ERR_UNKNOWN_FILE_EXTENSION";
    const hint = isOld ? "This Node runs no TypeScript: use Node 22.18 or later, or a JavaScript file." : undefined;
    return fail("model", name, "file", "a module that can be loaded", error.message.split("\n")[0], hint);
  });
  const { net, createNet } = module as { net?: unknown; createNet?: unknown };
  const made: unknown = typeof createNet === "function" ? createNet(shape, classes, unequal) : net;
  const isNet =
    typeof made === "function" || (typeof made === "object" && made !== null && typeof (made as { apply?: unknown }).apply === "function");
  if (!isNet)
    fail(
      "model",
      name,
      "exports",
      "net (a layer, or a function of values), or createNet(shape, classes)",
      Object.keys(module as object).join(", ") || "none",
    );
  return made as Net;
}
