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
const library = [...toGraph, "plan", "operator functions", "nn", "formats", "data", "inspect", "train"];
const entries = [...library, "package", "reference", "wasm", "webgpu", "remote", "hosts"];

/**
 * The architecture. Read it from the top: every layer imports only layers that stand above it, so a value can be followed
 * from `nn` up to the routine that computes it, and nothing below can change what is above. The rows of src/ops are one floor: there a room
 * (a folder) may use the doors and tables of other rooms, and its algorithms belong to it alone. Files of one row import one another freely.
 * Targets are bound in the entries at the end and nowhere else.
 */
// biome-ignore format: one row per line
export const layers: readonly Layer[] = [
  { name: "base", files: "base/**", holds: "errors, types, random bits", imports: [] },
  { name: "grid", files: "grid/**", holds: "geometry of axes: extents, padding, index maps; integers only", imports: ["base"] },
  { name: "emit", files: "emit/**", holds: "writers of wasm bytes and WGSL text; they know no operator", imports: ["base"] },

  { name: "contract", files: "ops/contract.ts", holds: "Operator, Algorithm, Layout, Fusion, Routine", typesOnly: true, imports: ["base", "emit"] },
  { name: "operators", files: "ops/index.ts", holds: "the only list of operators", imports: ["contract", "front doors"] },
  { name: "op tools", files: "ops/*.ts", holds: "what several rooms build with", imports: ["base", "grid", "emit", "contract"] },
  { name: "op tools", files: "ops/expression/**", holds: "pointwise expressions: table, slopes, printers", imports: ["base", "grid", "emit", "contract"] },
  { name: "front doors", files: "ops/<room>/index.ts", holds: "an operator: equation, plan, types, gradient, cost", imports: room },
  { name: "algorithms", files: "ops/<room>/wasm*.ts", holds: "one way to compute an operator with wasm", imports: room },
  { name: "algorithms", files: "ops/<room>/**/wasm*.ts", holds: "the same, where a room has floors", imports: room },
  { name: "algorithms", files: "ops/<room>/webgpu*.ts", holds: "one way to compute an operator with WebGPU", imports: room },
  { name: "rooms", files: "ops/<room>/**", holds: "the rest of a room: plan, reference, what its algorithms share", imports: room },

  { name: "graph", files: "graph/**", holds: "values and nodes, tracing, differentiation, rewrites", imports: ["base", "grid", ...operators] },
  { name: "plan", files: "plan/**", holds: "choice of algorithms and layouts, memory, explain()", imports: toGraph },
  { name: "reference", files: "targets/reference/**", holds: "float64 interpreter: the oracle", imports: target },
  { name: "wasm", files: "targets/wasm/**", holds: "sessions, threads, programs", imports: target },
  { name: "remote", files: "targets/remote/**", holds: "a session in a worker, called by messages", imports: toGraph },
  { name: "webgpu", files: "targets/webgpu/**", holds: "the same on a graphics device", imports: target },
  { name: "hosts", files: "hosts/**", holds: "what Node or a page lends a target: threads, flags", imports: ["base", "wasm", "webgpu", "remote"] },

  { name: "operator functions", files: "ops.ts", holds: 'entry "toeplitz/ops": operators to call', imports: ["base", "grid", ...operators, "graph"] },
  { name: "nn", files: "nn/**", holds: "layers, losses, optimisers, named models", imports: ["base", "grid", "contract", "front doors", "graph", "operator functions"] },
  { name: "formats", files: "formats/**", holds: "safetensors, npy, ONNX", packages: true, imports: ["base", "graph"] },
  { name: "data", files: "data/**", holds: "readers, generators, augmentation, batching", packages: true, imports: ["base", "formats"] },
  { name: "inspect", files: "inspect/**", holds: "summary, cost, receptive field", packages: true, imports: ["base", "grid", ...operators, "graph", "plan", "operator functions", "nn", "data", "formats"] },
  { name: "train", files: "train/**", holds: "the loop, checkpoints, run folder, report; its target is handed in", packages: true, imports: ["base", "graph", "plan", "nn", "data", "formats", "inspect"] },

  { name: "package", files: "index.ts", holds: 'entry "toeplitz": layers, graph, reference', imports: [...library, "reference"] },
  { name: "browser root", files: "browser.ts", holds: 'entry "toeplitz/browser": binds targets to a page', packages: true, imports: entries },
  { name: "browser root", files: "browser-worker.ts", holds: "the worker of a page that owns its session", imports: entries },
  { name: "node root", files: "node.ts", holds: 'entry "toeplitz/node": binds targets to Node', packages: true, imports: entries },
  { name: "cli", files: "cli/**", holds: "arguments and printing only", packages: true, imports: ["base", "nn", "data", "formats", "inspect", "train", "node root"] },
];

/** Entries that a page can load: nothing that they reach by a plain import may need Node. */
export const browserEntries: readonly string[] = ["index.ts", "ops.ts", "browser.ts", "browser-worker.ts"];
