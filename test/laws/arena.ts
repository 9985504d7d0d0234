import v8 from "node:v8";
import { invariant } from "../../src/base/errors.ts";
import { printType, type TensorType } from "../../src/base/types.ts";
import { ModuleBuilder } from "../../src/emit/wasm/module.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import type { Device, Layout, Routine } from "../../src/ops/contract.ts";
import { place, printLayout } from "../../src/ops/layout.ts";

export type RoutineFunction = (table: number, begin: number, end: number, examples: number) => void;

const pageWords = 16384;
const pages = 65536;

/** One memory for all trials, one after another, and the routines that were compiled for it. */
class Arena {
  readonly #memory = new WebAssembly.Memory({ initial: 16, maximum: pages, shared: true });
  readonly #made = new Map<string, { readonly bytes: Uint8Array; readonly call: RoutineFunction; readonly sources: Set<string> }>();
  words = new Int32Array(this.#memory.buffer);
  floats = new Float32Array(this.#memory.buffer);

  reserve(words: number): void {
    const missing = Math.ceil((words - this.words.length) / pageWords);
    if (missing <= 0) return;
    this.#memory.grow(missing);
    this.words = new Int32Array(this.#memory.buffer);
    this.floats = new Float32Array(this.#memory.buffer);
  }

  /**
   * The compiled routine; the wide tier as it is in use, optimised with its pairs packed. Equal keys must mean equal code,
   * as the process compiles one of them: it is built again for every source that has the key.
   */
  routine({ key, build }: Routine, device: Device, source: string): RoutineFunction {
    const name = `${device.wide ? "wide" : "narrow"} ${key}`;
    const known = this.#made.get(name);
    if (known?.sources.has(source) === true) return known.call;
    const builder = new ModuleBuilder({ minimum: 1, maximum: pages, shared: true });
    builder.export("routine", build(builder));
    const bytes = builder.encode();
    if (known !== undefined) {
      invariant(Buffer.compare(known.bytes, bytes) === 0, () => `two routines have the key ${key}`);
      known.sources.add(source);
      return known.call;
    }
    const module = device.wide && nodeHost.enableWide() ? optimised(bytes) : new WebAssembly.Module(bytes);
    const call = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports.routine as RoutineFunction;
    this.#made.set(name, { bytes, call, sources: new Set([source]) });
    return call;
  }
}

export const arena = new Arena();

/** Compiled at once and by the optimising compiler, which is the one that packs pairs. */
function optimised(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  const flags = ["liftoff", "wasm-lazy-compilation"];
  for (const flag of flags) v8.setFlagsFromString(`--no-${flag}`);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of flags) v8.setFlagsFromString(`--${flag}`);
  }
}

/** Words of a value's buffer: where its cells lie in plain order, its spare lanes by example, its halo by example. */
export interface CellMap {
  readonly words: number;
  readonly cells: Int32Array;
  readonly spare: Int32Array;
  readonly halo: Int32Array;
  readonly exampleStride: number;
}

const maps = new Map<string, CellMap>();

/** Every sum of one offset of each list, the last list fastest. */
function sums(lists: readonly (readonly number[])[], origin: number): Int32Array {
  let sum = Int32Array.of(origin);
  for (const list of lists) {
    const next = new Int32Array(sum.length * list.length);
    sum.forEach((from, i) => {
      list.forEach((step, j) => {
        next[i * list.length + j] = from + step;
      });
    });
    sum = next;
  }
  return sum;
}

function positions(kinds: Uint8Array, wanted: number): Int32Array {
  let count = 0;
  for (const kind of kinds) if (kind === wanted) count++;
  const found = new Int32Array(count);
  for (let word = 0, at = 0; at < count; word++) if (kinds[word] === wanted) found[at++] = word;
  return found;
}

export function cellMap(type: TensorType, layout: Layout): CellMap {
  const key = `${printType(type)} ${printLayout(layout)}`;
  const known = maps.get(key);
  if (known !== undefined) return known;
  const at = place(type, layout);
  const range = (count: number, offset: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => offset(i));
  const lane = (channel: number): number => Math.floor(channel / at.block) * at.blockStride + (channel % at.block);
  const examples = range(at.examples, (example) => example * at.exampleStride);
  const axes = at.extents.map((extent, axis) => range(extent, (cell) => cell * at.strides[axis]));
  const cells = sums([examples, range(at.channels, lane), ...axes], at.origin);
  const kind = new Uint8Array(at.words);
  for (const word of sums([examples, range(at.blocks * at.block, lane), ...axes], at.origin)) kind[word] = 1;
  for (const word of cells) kind[word] = 2;
  const map = {
    words: at.words,
    cells,
    spare: positions(kind, 1),
    halo: positions(kind, 0),
    exampleStride: type.batched ? at.exampleStride : at.words,
  };
  if (maps.size > 100) maps.clear();
  maps.set(key, map);
  return map;
}
