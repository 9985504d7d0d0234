/** One layer of the house: which files it is, and which layers they may import (values and types alike). */
export interface Layer {
  readonly name: string;
  /** Path below src; `<room>` stands for one folder name, `*` for part of a file name, `**` for anything below. The first row that fits wins. */
  readonly files: string;
  readonly imports: readonly string[];
  readonly holds: string;
  /** May import npm packages; the path from layers to routines is written here, with none. */
  readonly packages?: true;
  /** Holds types alone: it may only `import type`. */
  readonly typesOnly?: true;
}

const operators = ["contract", "op tools", "front doors", "operators"];
const toGraph = ["base", "grid", "emit", ...operators, "graph"];
const room = ["base", "grid", "emit", "contract", "op tools", "front doors", "rooms"];
const target = [...toGraph, "plan", "rooms", "algorithms"];
const library = [...toGraph, "plan", "nn", "data", "formats", "inspect", "train"];

/**
 * The architecture. Read it from the top: every layer imports only layers that stand above it, so a value can be followed
 * from `nn` up to the routine that computes it, and nothing below can change what is above. The rows of src/ops are one floor: there a room
 * (a folder) may use the doors and tables of other rooms, and its algorithms belong to it alone. Files of one row import one another freely.
 */
export const layers: readonly Layer[] = [
  { name: "base", files: "base/**", imports: [], holds: "errors, types, random bits" },
  { name: "grid", files: "grid/**", imports: ["base"], holds: "geometry of axes: extents, padding, index maps; integers only" },
  { name: "emit", files: "emit/**", imports: ["base"], holds: "writers of wasm bytes and WGSL text; they know no operator" },

  {
    name: "contract",
    files: "ops/contract.ts",
    imports: ["base", "emit"],
    typesOnly: true,
    holds: "Operator, Algorithm, Layout, Fusion, Routine",
  },
  { name: "operators", files: "ops/index.ts", imports: ["contract", "front doors"], holds: "the only list of operators" },
  { name: "op tools", files: "ops/*.ts", imports: ["base", "grid", "emit", "contract"], holds: "what several rooms build with" },
  { name: "front doors", files: "ops/<room>/index.ts", imports: room, holds: "an operator: equation, plan, types, gradient, cost" },
  { name: "algorithms", files: "ops/<room>/wasm*.ts", imports: room, holds: "one way to compute an operator with wasm" },
  { name: "algorithms", files: "ops/<room>/webgpu*.ts", imports: room, holds: "one way to compute an operator with WebGPU" },
  { name: "rooms", files: "ops/<room>/**", imports: room, holds: "the rest of a room: plan, reference, tables" },

  {
    name: "graph",
    files: "graph/**",
    imports: ["base", "grid", ...operators],
    holds: "values and nodes, tracing, differentiation, rewrites",
  },
  { name: "plan", files: "plan/**", imports: toGraph, holds: "choice of algorithms and layouts, memory, explain()" },
  { name: "reference", files: "targets/reference/**", imports: target, holds: "float64 interpreter: the oracle" },
  { name: "wasm", files: "targets/wasm/**", imports: target, holds: "sessions, threads, programs" },
  { name: "webgpu", files: "targets/webgpu/**", imports: target, holds: "the same on a graphics device" },

  {
    name: "nn",
    files: "nn/**",
    imports: ["base", "grid", "contract", "front doors", "graph"],
    holds: "layers, losses, optimisers, named models",
  },
  { name: "formats", files: "formats/**", imports: ["base", "graph"], packages: true, holds: "safetensors, npy, ONNX" },
  { name: "data", files: "data/**", imports: ["base", "formats"], packages: true, holds: "readers, generators, augmentation, batching" },
  {
    name: "inspect",
    files: "inspect/**",
    imports: ["base", "grid", ...operators, "graph", "plan", "nn", "data", "formats"],
    packages: true,
    holds: "summary, cost, receptive field",
  },
  {
    name: "train",
    files: "train/**",
    imports: ["base", "graph", "plan", "nn", "data", "formats", "inspect"],
    packages: true,
    holds: "the loop, checkpoints, run folder, report; takes its target as a parameter",
  },

  { name: "package", files: "index.ts", imports: [...library, "reference"], holds: 'entry "toeplitz": no wasm, no node modules' },
  {
    name: "package ops",
    files: "ops.ts",
    imports: ["base", "grid", ...operators, "graph"],
    holds: 'entry "toeplitz/ops": operators as functions',
  },
  {
    name: "browser root",
    files: "browser.ts",
    imports: [...library, "package", "reference", "wasm", "webgpu"],
    packages: true,
    holds: 'entry "toeplitz/browser": binds targets',
  },
  {
    name: "node root",
    files: "node.ts",
    imports: [...library, "package", "reference", "wasm", "webgpu"],
    packages: true,
    holds: 'entry "toeplitz/node": binds targets',
  },
  {
    name: "cli",
    files: "cli/**",
    imports: ["base", "nn", "data", "formats", "inspect", "train", "node root"],
    packages: true,
    holds: "arguments and printing only",
  },
];

/** Entries that a page can load: nothing that they reach by a plain import may need Node. */
export const browserEntries: readonly string[] = ["index.ts", "ops.ts", "browser.ts"];
