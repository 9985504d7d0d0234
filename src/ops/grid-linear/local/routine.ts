import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, loadWords, whileBelow } from "../../../emit/wasm/vectors.ts";
import type { Device, Routine } from "../../contract.ts";
import { countDown, whileNonzero } from "../tiles/panel.ts";
import { mostSlots, takeSlot } from "../tiles/slots.ts";
import type { LocalCode, Planes } from "./code.ts";
import { type Cut, expandedBytes } from "./problem.ts";
import { addRowProducts, addRowSums, pushRest } from "./rows.ts";
import { addCopy, addRepeat, addSettle, addTapSums } from "./strips.ts";
import { largest, type TileCode } from "./tiles.ts";

/** Operands of the routine; `cells` names the cells of Z, or of G for the kernel gradient. */
export const operandAt = { source: 0, kernel: 1, other: 2, scratch: 3, sources: 4, cells: 5, marks: 6 } as const;

/** Scratches that chunks take in turn: the first ones stay in the caches. */
export const slotsOf = ({ chunks }: Cut): number => Math.min(mostSlots, chunks);

/** Bytes of what a chunk keeps behind the expanded sources: sums of the forward function, or expanded G and a tile of dK. */
const otherBytes = ({ role, cut, tile }: Pick<LocalCode, "role" | "cut" | "tile">): number =>
  role === "input" ? 0 : cut.together * tile.rowExample + (role === "kernel" ? apartBytes(tile) : 0);

const apartBytes = ({ lanes }: TileCode): number => largest.rows * largest.columns * lanes * 4;

export const scratchBytes = (code: Pick<LocalCode, "role" | "cut" | "tile">): number => expandedBytes(code.cut) + otherBytes(code);

export function localRoutine(code: LocalCode, device: Device): Routine {
  return {
    key: `grid-linear local | ${JSON.stringify(code)} | ${device.tier}`,
    build: (module) => {
      const parts = addParts(module, code);
      return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, parts));
    },
  };
}

/** Functions that a chunk calls. */
interface Parts {
  readonly expandSource: number;
  /** Kernel gradient: expands G. */
  readonly expandRows: number;
  /** All columns of one or two rows. */
  readonly rows: readonly number[];
  readonly settle: number;
  readonly tapSums: number;
}

function addParts(module: ModuleBuilder, code: LocalCode): Parts {
  const { cut, role, tile } = code;
  const repeat = role === "forward" ? -1 : addRepeat(module, cut.taps);
  const copy = role === "input" ? -1 : addCopy(module, code.run);
  const expand = (one: number, planes: Planes, example: number): number => addExpandAll(module, code, planes, one, example);
  return {
    expandSource: expand(role === "input" ? repeat : copy, code.source, tile.columnExample),
    expandRows: role === "kernel" ? expand(repeat, code.other, tile.rowExample) : -1,
    rows: Array.from({ length: Math.min(largest.rows, cut.rows) }, (_, i) =>
      role === "kernel" ? addRowProducts(module, code, i + 1) : addRowSums(module, code, i + 1),
    ),
    settle: role === "kernel" ? -1 : addSettle(module, tile.lanes),
    tapSums: role === "forward" ? addTapSums(module, cut.taps) : -1,
  };
}

/** A function (source, target, table, first, count, copies, planes): expands so many planes of examples (and turns) first .. first + count. */
function addExpandAll(module: ModuleBuilder, code: LocalCode, planes: Planes, one: number, example: number): number {
  const { turns, cut } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [source, target, table, first, count, copies, all] = f.parameters;
    const [left, from, to, entries] = f.locals("i32", 4);
    f.get(copies).i32(planes.entries).op("i32.mul").set(copies);
    countDown(f, count, () => {
      f.get(first).i32(turns).op("i32.div_u").i32(planes.example).op("i32.mul").get(source).op("i32.add").set(from);
      f.get(first)
        .i32(turns)
        .op("i32.rem_u")
        .i32(cut.copies * planes.entries * 4)
        .op("i32.mul")
        .get(table)
        .op("i32.add")
        .set(entries);
      f.get(target).set(to).get(all).set(left);
      countDown(f, left, () => {
        f.get(from).get(to).get(entries).get(copies).call(one);
        advance(f, from, planes.plane);
        advance(f, to, cut.pitch);
      });
      advance(f, target, example);
      advance(f, first, 1);
    });
  });
}

/** What a chunk knows while it works on one strip. */
interface Strip {
  /** Base addresses, at the chunk's group; K also at the strip. */
  readonly source: Local;
  readonly kernel: Local;
  readonly other: Local;
  readonly expanded: Local;
  readonly apart: Local;
  readonly sources: Local;
  readonly cells: Local;
  readonly strip: Local;
  readonly copies: Local;
  readonly floats: Local;
  readonly total: Local;
  readonly rowFrom: Local;
  readonly rowTo: Local;
}

/** The rows, strips and group of a chunk. */
function findChunk(
  f: FunctionBuilder,
  { cut, groups }: LocalCode,
  chunk: Local,
  { strip, stripEnd, rowFrom, rowTo, group }: Readonly<Record<"strip" | "stripEnd" | "rowFrom" | "rowTo" | "group", Local>>,
): void {
  f.get(chunk).i32(cut.parts).op("i32.rem_u").set(rowFrom);
  f.get(rowFrom).i32(1).op("i32.add").i32(cut.rows).op("i32.mul").i32(cut.parts).op("i32.div_u").set(rowTo);
  f.get(rowFrom).i32(cut.rows).op("i32.mul").i32(cut.parts).op("i32.div_u").set(rowFrom);
  f.get(chunk).i32(cut.parts).op("i32.div_u").i32(groups).op("i32.rem_u").set(group);
  f.get(chunk)
    .i32(cut.parts * groups)
    .op("i32.div_u")
    .i32(cut.perChunk)
    .op("i32.mul")
    .tee(strip)
    .i32(cut.perChunk)
    .op("i32.add")
    .set(stripEnd);
  f.get(stripEnd).i32(cut.strips).get(stripEnd).i32(cut.strips).op("i32.lt_u", "select").set(stripEnd);
}

/** chunk = (set of strips, group, part of the rows) */
function emitChunks(f: FunctionBuilder, code: LocalCode, parts: Parts): void {
  const { cut, turns } = code;
  const [table, begin, end, examples] = f.parameters;
  const [source, kernel, other, scratch, sources, cells, marks] = f.locals("i32", 7);
  const [ownSource, ownKernel, ownOther, expanded, apart, ownSources, ownCells] = f.locals("i32", 7);
  const [strip, stripEnd, first, copies, floats, total, rowFrom, rowTo, group, mark, slot] = f.locals("i32", 11);
  loadWords(f, table, [source, kernel, other, scratch, sources, cells, marks]);
  const scaled = (local: Local, by: number, base: Local): FunctionBuilder => f.get(local).i32(by).op("i32.mul").get(base).op("i32.add");
  f.get(examples).i32(turns).op("i32.mul").set(total);
  takeSlot(
    f,
    () => f.get(marks),
    () => f.i32(slotsOf(cut)),
    { mark, slot },
  );
  scaled(slot, scratchBytes(code), scratch).tee(expanded).i32(expandedBytes(cut)).op("i32.add").set(apart);
  whileBelow(f, begin, end, 1, () => {
    findChunk(f, code, begin, { strip, stripEnd, rowFrom, rowTo, group });
    scaled(group, cut.sources * code.source.plane, source).set(ownSource);
    scaled(group, cut.rows * code.other.plane, other).set(ownOther);
    whileBelow(f, strip, stripEnd, 1, () => {
      const [most, more] = [Math.floor(cut.copies / cut.strips), cut.copies % cut.strips];
      f.get(strip).i32(more).get(strip).i32(more).op("i32.lt_u", "select").get(strip).i32(most).op("i32.mul", "i32.add").set(first);
      f.get(strip).i32(more).op("i32.lt_u").i32(most).op("i32.add").set(copies);
      f.get(copies).i32(cut.taps).op("i32.mul").set(floats);
      scaled(group, code.kernelGroup, kernel).set(ownKernel);
      scaled(first, cut.taps * 4, ownKernel).set(ownKernel);
      scaled(first, code.source.entries * 4, sources).set(ownSources);
      scaled(first, code.other.entries * 4, cells).set(ownCells);
      const at: Strip = {
        source: ownSource,
        kernel: ownKernel,
        other: ownOther,
        expanded,
        apart,
        sources: ownSources,
        cells: ownCells,
        strip,
        copies,
        floats,
        total,
        rowFrom,
        rowTo,
      };
      emitStrip(f, code, parts, at);
    });
  });
  f.get(mark).i32(0).memory("i32.atomic.store");
}

/** All examples of one strip, some at a time. */
function emitStrip(f: FunctionBuilder, code: LocalCode, parts: Parts, at: Strip): void {
  const { cut } = code;
  const [example, count, row] = f.locals("i32", 3);
  f.i32(0).set(example);
  whileBelow(f, example, at.total, cut.together, () => {
    f.get(at.total).get(example).op("i32.sub").tee(count).i32(cut.together);
    f.get(count).i32(cut.together).op("i32.lt_u", "select").set(count);
    f.get(at.source).get(at.expanded).get(at.sources).get(example).get(count).get(at.copies).i32(cut.sources).call(parts.expandSource);
    if (code.role === "kernel") {
      f.get(at.rowFrom).i32(code.other.plane).op("i32.mul").get(at.other).op("i32.add").get(at.apart).get(at.cells);
      f.get(example).get(count).get(at.copies).get(at.rowTo).get(at.rowFrom).op("i32.sub").call(parts.expandRows);
    }
    f.get(at.rowFrom).set(row);
    const pair = (rows: number): void => {
      if (code.role === "kernel") emitProducts(f, code, parts.rows[rows - 1], at, { example, count, row });
      else emitSums(f, code, parts, rows, at, { example, count, row });
      advance(f, row, rows);
    };
    for (let rows = parts.rows.length; rows > 0; rows--) {
      const left = f.local("i32");
      f.get(at.rowTo).get(row).op("i32.sub").i32(rows).op("i32.div_u").set(left);
      whileNonzero(f, left, () => pair(rows));
    }
  });
}

interface Turn {
  readonly example: Local;
  readonly count: Local;
  readonly row: Local;
}

const pushKernel = (f: FunctionBuilder, code: LocalCode, at: Strip, row: Local): FunctionBuilder =>
  f.get(row).i32(code.tile.rowPlane).op("i32.mul").get(at.kernel).op("i32.add");

function emitProducts(f: FunctionBuilder, code: LocalCode, rowProducts: number, at: Strip, { example, count, row }: Turn): void {
  const { cut, tile } = code;
  pushKernel(f, code, at, row).get(at.expanded);
  f.get(row).get(at.rowFrom).op("i32.sub").i32(tile.rowPitch).op("i32.mul").get(at.apart).op("i32.add");
  f.get(at.floats).get(count).get(example);
  f.get(at.apart)
    .i32(cut.together * tile.rowExample)
    .op("i32.add")
    .call(rowProducts);
}

function emitSums(f: FunctionBuilder, code: LocalCode, parts: Parts, rows: number, at: Strip, { example, count, row }: Turn): void {
  const { cut, tile, other } = code;
  const [sums, left, own, number, target] = f.locals("i32", 5);
  if (code.role === "forward") f.get(at.apart).set(sums);
  else {
    f.get(example).i32(tile.rowExample).op("i32.mul").get(at.other).op("i32.add");
    f.get(row).i32(tile.rowPitch).op("i32.mul", "i32.add").get(at.strip).i32(cut.pitch).op("i32.mul", "i32.add").set(sums);
  }
  pushKernel(f, code, at, row)
    .get(at.expanded)
    .get(sums)
    .get(at.floats)
    .get(count)
    .call(parts.rows[rows - 1]);
  f.get(count).set(left).get(example).set(number);
  countDown(f, left, () => {
    for (let r = 0; r < rows; r++) {
      f.get(sums)
        .i32(r * tile.rowPitch)
        .op("i32.add")
        .set(own);
      pushRest(f, at.floats, tile.lanes).if(() => f.get(own).get(at.floats).call(parts.settle));
      if (code.role !== "forward") continue;
      f.get(number).i32(code.turns).op("i32.div_u").i32(other.example).op("i32.mul").get(at.other).op("i32.add");
      f.get(row).i32(r).op("i32.add").i32(other.plane).op("i32.mul", "i32.add").set(target);
      f.get(own).get(target);
      f.get(number)
        .i32(code.turns)
        .op("i32.rem_u")
        .i32(cut.copies * 4)
        .op("i32.mul")
        .get(at.cells)
        .op("i32.add");
      f.get(at.copies).call(parts.tapSums);
    }
    advance(f, sums, tile.rowExample);
    advance(f, number, 1);
  });
}
