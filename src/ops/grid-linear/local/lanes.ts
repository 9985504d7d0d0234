import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, multiplyAdd } from "../../../emit/wasm/vectors.ts";
import type { Device } from "../../contract.ts";
import { countDown } from "../tiles/panel.ts";

/** A tile whose lanes are examples: `rows` planes of K, each of its floats a splat, times `vectors` vectors of examples. */
export interface LaneTile {
  readonly rows: number;
  readonly vectors: number;
  /** Lanes of a vector: 8 in pairs, else 4. */
  readonly lanes: number;
  readonly fma: boolean;
  readonly taps: number;
  /** Taps that lie side by side in V, and bytes from one cell to the next. */
  readonly run: number;
  readonly cell: number;
  /** From row to row of K. */
  readonly rowPlane: number;
}

const vectorsOf = (f: FunctionBuilder, { vectors, lanes }: LaneTile): Local[] => f.locals("v128", (vectors * lanes) / 4);

const load = (f: FunctionBuilder, into: readonly Local[], from: Local, offset = 0): void =>
  into.forEach((local, i) =>
    f
      .get(from)
      .memory("v128.load", offset + 16 * i)
      .set(local),
  );

const store = (f: FunctionBuilder, made: readonly Local[], to: Local, offset = 0): void =>
  made.forEach((local, i) =>
    f
      .get(to)
      .get(local)
      .memory("v128.store", offset + 16 * i),
  );

/** Visits the taps of one copy: its cell is at `at` + offset. */
function eachTap(
  f: FunctionBuilder,
  { taps, run, cell }: LaneTile,
  v: Local,
  table: Local,
  visit: (tap: number, at: Local, offset: number) => void,
): void {
  const at = f.local("i32");
  for (let entry = 0; entry < taps / run; entry++) {
    f.get(table)
      .memory("i32.load", 4 * entry)
      .get(v)
      .op("i32.add")
      .set(at);
    for (let j = 0; j < run; j++) visit(entry * run + j, at, j * cell);
  }
  advance(f, table, (4 * taps) / run);
}

function addProducts(
  f: FunctionBuilder,
  { fma, rowPlane }: LaneTile,
  kernel: Local,
  tap: number,
  splat: Local,
  row: number,
  sums: readonly Local[],
  other: readonly Local[],
): void {
  f.get(kernel)
    .memory("v128.load32_splat", row * rowPlane + 4 * tap)
    .set(splat);
  sums.forEach((sum, i) =>
    multiplyAdd(
      f,
      fma,
      sum,
      () => f.get(splat),
      () => f.get(other[i]),
    ),
  );
}

/** A function (kernel, v, sums, table, copies, begins): sums[copy][row] (+)= sum over taps of K[row][copy][tap] * V[cell of copy and tap]. */
export function addLaneSums(module: ModuleBuilder, tile: LaneTile, sumBytes: number): number {
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [kernel, v, sums, table, copies, begins] = f.parameters;
    const totals = Array.from({ length: tile.rows }, () => vectorsOf(f, tile));
    const other = vectorsOf(f, tile);
    const splat = f.local("v128");
    countDown(f, copies, () => {
      f.get(begins).if(
        () => {
          for (const local of totals.flat()) f.f32x4(0).set(local);
        },
        () => totals.forEach((row, r) => load(f, row, sums, r * tile.cell)),
      );
      eachTap(f, tile, v, table, (tap, at, offset) => {
        load(f, other, at, offset);
        totals.forEach((row, r) => addProducts(f, tile, kernel, tap, splat, r, row, other));
      });
      totals.forEach((row, r) => store(f, row, sums, r * tile.cell));
      advance(f, kernel, 4 * tile.taps);
      advance(f, sums, sumBytes);
    });
  });
}

/** A function (kernel, g, v, table, copies): V[cell of copy and tap] += sum over rows of K[row][copy][tap] * G[row][copy], rows of G `gradientPlane` apart. */
export function addLaneScatter(module: ModuleBuilder, tile: LaneTile, gradientPlane: number): number {
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [kernel, g, v, table, copies] = f.parameters;
    const own = Array.from({ length: tile.rows }, () => vectorsOf(f, tile));
    const sum = vectorsOf(f, tile);
    const splat = f.local("v128");
    countDown(f, copies, () => {
      own.forEach((row, r) => load(f, row, g, r * gradientPlane));
      eachTap(f, tile, v, table, (tap, at, offset) => {
        load(f, sum, at, offset);
        own.forEach((row, r) => addProducts(f, tile, kernel, tap, splat, r, sum, row));
        store(f, sum, at, offset);
      });
      advance(f, kernel, 4 * tile.taps);
      advance(f, g, tile.cell);
    });
  });
}

/** A function (from, to, table, cells): to[second word] = from[first word] for the pairs of a table. */
export function addPairCopy(module: ModuleBuilder): number {
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [from, to, table, cells] = f.parameters;
    countDown(f, cells, () => {
      f.get(table).memory("i32.load", 4).get(to).op("i32.add");
      f.get(table).memory("i32.load", 0).get(from).op("i32.add").memory("f32.load").memory("f32.store");
      advance(f, table, 8);
    });
  });
}

/** Vectors of examples of one pass, and the passes that all examples take. */
export function passesOf(examples: number, device: Device): { vectors: number; passes: number; side: number } {
  const lanes = device.wide ? 8 : 4;
  const all = Math.ceil(examples / lanes);
  const passes = Math.ceil(all / 2);
  const vectors = Math.ceil(all / passes);
  return { vectors, passes, side: vectors * passes * lanes };
}
