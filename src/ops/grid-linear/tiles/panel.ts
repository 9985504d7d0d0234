import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { loadTile, outerStep, outerTile, storeTile } from "./outer.ts";

/** A tile of the kernel gradient: accumulators [rows][lanes] += sum over the cells of a panel of V[row's tap and channel] * G[lanes]. */
export interface KernelTile {
  readonly rows: number;
  readonly lanes: number;
  readonly fma: boolean;
  /** Cells of one turn of the inner loop. */
  readonly unroll: number;
  /** Every line is one turn; lines have cells beyond their turns. */
  readonly single: boolean;
  readonly rest: boolean;
  /** Bytes from one cell of a line to the next. */
  readonly vectorCell: number;
  readonly splatCell: number;
  /** Where the rows' values lie: one float after the other from the first offset of the row table, or each at its own offset. */
  readonly rowsAt: "next" | "table";
}

/** Some lines of cells in memory, as a record of words; steps in bytes, line steps from the end of one line to the next. */
export const panelWords = [
  "vectors",
  "splats",
  "planes",
  "lines",
  "turns",
  "rest",
  "vectorLine",
  "splatLine",
  "vectorPlane",
  "splatPlane",
  "vectorExample",
  "splatExample",
] as const;

export type PanelRecord = Readonly<Record<(typeof panelWords)[number], number>>;

/** Pushes a word of the panel record at `panel`. */
export const panelWord = (f: FunctionBuilder, panel: Local, name: (typeof panelWords)[number]): FunctionBuilder =>
  f.get(panel).memory("i32.load", 4 * panelWords.indexOf(name));

/** Adds the tile's function (vectors, splats, accumulators, row table, panel record, examples), all but the last addresses, and returns its index. */
export function addKernelTile(module: ModuleBuilder, spec: KernelTile): number {
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [vectors, splats, accumulators, table, panel, examples] = f.parameters;
    const tile = outerTile(f, spec.rows, spec.lanes);
    const [vectorPlane, splatPlane, vectorAt, planes, lines, left] = f.locals("i32", 6);
    const pointers = f.locals("i32", spec.rowsAt === "next" ? 1 : spec.rows);
    const step = (cell: number): void =>
      outerStep(
        f,
        tile,
        spec.fma,
        (row) => splat(row, cell),
        (index) => vector(index, cell),
      );
    const splat = (row: number, cell: number): void => {
      f.get(pointers[row] ?? pointers[0]).memory("v128.load32_splat", cell * spec.splatCell + (spec.rowsAt === "next" ? 4 * row : 0));
    };
    const vector = (index: number, cell: number): void => {
      f.get(vectorAt).memory("v128.load", cell * spec.vectorCell + 16 * index);
    };
    const move = (name: "Line" | "Plane" | "Example", vectorLocal: Local, splatLocals: readonly Local[]): void => {
      panelWord(f.get(vectorLocal), panel, `vector${name}`).op("i32.add").set(vectorLocal);
      for (const local of splatLocals) panelWord(f.get(local), panel, `splat${name}`).op("i32.add").set(local);
    };
    loadTile(f, tile, accumulators, 4 * spec.lanes);
    countDown(f, examples, () => {
      f.get(vectors).set(vectorPlane).get(splats).set(splatPlane);
      panelWord(f, panel, "planes").set(planes);
      countDown(f, planes, () => {
        f.get(vectorPlane).set(vectorAt);
        pointers.forEach((pointer, row) =>
          f
            .get(splatPlane)
            .get(table)
            .memory("i32.load", 4 * row)
            .op("i32.add")
            .set(pointer),
        );
        panelWord(f, panel, "lines").set(lines);
        countDown(f, lines, () => {
          const cells = (count: number): void => {
            for (let cell = 0; cell < count; cell++) step(cell);
            advance(f, vectorAt, count * spec.vectorCell);
            for (const pointer of pointers) advance(f, pointer, count * spec.splatCell);
          };
          if (spec.single) cells(spec.unroll);
          else whileNonzero(panelWord(f, panel, "turns").set(left), left, () => cells(spec.unroll));
          if (spec.rest) whileNonzero(panelWord(f, panel, "rest").set(left), left, () => cells(1));
          move("Line", vectorAt, pointers);
        });
        move("Plane", vectorPlane, [splatPlane]);
      });
      move("Example", vectors, [splats]);
    });
    storeTile(f, tile, accumulators, 4 * spec.lanes);
  });
}

/** do { body } while (--counter) */
export function countDown(f: FunctionBuilder, counter: Local, body: () => void): void {
  f.loop((again) => {
    body();
    f.get(counter).i32(1).op("i32.sub").tee(counter).branchIf(again);
  });
}

/** while (counter > 0) { body; counter-- } */
export function whileNonzero(f: FunctionBuilder, counter: Local, body: () => void): void {
  f.get(counter).if(() => countDown(f, counter, body));
}
