import { activations } from "./activations.ts";
import { functions } from "./functions.ts";
import { primitives } from "./primitives.ts";
import type { Row } from "./row.ts";

/** Every function that a formula may call. */
export const table: ReadonlyMap<string, Row> = new Map([...primitives, ...functions, ...activations].map((row) => [row.name, row]));

/** Names that a printer must know; every other row expands into these. */
export const primitiveNames: readonly string[] = primitives.map((row) => row.name);
