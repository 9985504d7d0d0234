import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import type { Routine } from "../../contract.ts";
import { printFused } from "../tiles/fused.ts";
import { countDown, type FftCode, operandAt, scratchBytes, streamWord, tableAt, tileWord, tileWords, word } from "./code.ts";
import { addJoin, addSplit } from "./split.ts";
import { type Chunk, divide, operand, routine } from "./steps.ts";
import { buildGradients, buildProducts } from "./sums.ts";
import { addForward, addInverse } from "./tile.ts";

/** The steps after the packing of the kernel. Those of the kernel gradient: values of V, slopes (values of G), gradients, results. */
export type Stage = "kernel" | "values" | "products" | "results" | "slopes" | "gradients";

export function fftRoutine(code: FftCode, stage: Stage, tier: string): Routine {
  const values = `x${code.from} s${code.spread.join("x")}`;
  const kind = code.depthwise ? "each" : "dense";
  const by: Record<Stage, string> = {
    kernel: "",
    values,
    products: kind,
    results: `x${code.to}${code.spare ? " spare" : ""} s${code.keep.join("x")} | ${printFused(code.epilogue, code.fused)}`,
    slopes: values,
    gradients: kind,
  };
  const size = stage === "products" || stage === "gradients" ? "" : `${code.sizes.join("x")} `;
  return { key: `grid-linear fft ${stage} | ${size}${by[stage]} | ${tier}`, build: (module) => build[stage](module, code) };
}

const build: Readonly<Record<Stage, (module: ModuleBuilder, code: FftCode) => number>> = {
  kernel: buildKernel,
  values: (module, code) => buildValues(module, code, null),
  products: buildProducts,
  results: buildResults,
  slopes: (module, code) => buildValues(module, code, scaleOf(code)),
  gradients: buildGradients,
};

/** What the transforms leave to multiply by. */
const scaleOf = ({ sizes }: FftCode): number => 1 / (4 * sizes[0] * sizes[1] * sizes[2]);

/** One part of the result channels and some channels of the source: K[part][frequency][channel], scaled. */
function buildKernel(module: ModuleBuilder, code: FftCode): number {
  const forward = addForward(module, code, [1, 1, 1]);
  const split = addSplit(module, code, scaleOf(code));
  const { cell } = scratchBytes(code);
  return routine(module, true, (f, { table, chunk, record, scratch }) => {
    const [part, channel, count, source, target] = f.locals("i32", 5);
    divide(f, chunk, "kernelRuns", record, part, channel);
    f.get(channel);
    word(f, record, "kernelRun").op("i32.mul").set(channel);
    word(f, record, "channels").get(channel).op("i32.sub").tee(count);
    word(f, record, "kernelRun").get(count);
    word(f, record, "kernelRun").op("i32.lt_s", "select").set(count);
    operand(f, table, operandAt.from).get(part);
    word(f, record, "packedPart").op("i32.mul", "i32.add").get(channel);
    word(f, record, "packedChannel").op("i32.mul", "i32.add").set(source);
    operand(f, table, operandAt.to).get(part);
    word(f, record, "kernelPart").op("i32.mul", "i32.add").get(channel);
    f.i32(2 * cell)
      .op("i32.mul", "i32.add")
      .set(target);
    countDown(f, count, () => {
      f.get(source).get(scratch);
      tableAt(f, record, "kernelTile").get(record).i32(cell);
      for (const name of ["packedRow", "packedPlane"] as const) word(f, record, name);
      f.call(forward).get(scratch);
      tableAt(f, record, "pairs");
      word(f, record, "pairCount").get(target);
      word(f, record, "kernelFrequency").call(split);
      f.get(source);
      word(f, record, "packedChannel").op("i32.add").set(source);
      f.get(target)
        .i32(2 * cell)
        .op("i32.add")
        .set(target);
    });
  });
}

/** Example, tile and part of the channels of a chunk, and where its values or products lie. */
interface Place {
  readonly example: Local;
  readonly part: Local;
  readonly tile: Local;
  readonly at: Local;
}

function placeChunk(f: FunctionBuilder, code: FftCode, { table, chunk, record }: Chunk, parts: "sources" | "results"): Place {
  const [example, part, tile, at, number] = f.locals("i32", 5);
  divide(f, chunk, parts, record, number, part);
  operand(f, table, parts === "sources" ? operandAt.to : operandAt.from).get(part);
  word(f, record, parts === "sources" ? "valuePart" : "productPart")
    .op("i32.mul", "i32.add")
    .get(number)
    .i32(8 * code.lanes)
    .op("i32.mul", "i32.add")
    .set(at);
  divide(f, number, "tileCount", record, example, tile);
  tableAt(f, record, "tiles")
    .get(tile)
    .i32(4 * tileWords.length)
    .op("i32.mul", "i32.add")
    .set(tile);
  return { example, part, tile, at };
}

/** Pushes the address of a part of the channels of an example in a stream. */
function pushPart(
  f: FunctionBuilder,
  { record }: Chunk,
  base: () => void,
  stream: number,
  { example, part }: Place,
  perBlock: number,
  lanes: number,
): void {
  base();
  streamWord(f, record, stream, "origin").op("i32.add").get(example);
  streamWord(f, record, stream, "example").op("i32.mul", "i32.add").get(part).i32(perBlock).op("i32.div_u");
  streamWord(f, record, stream, "block")
    .op("i32.mul", "i32.add")
    .get(part)
    .i32(perBlock)
    .op("i32.rem_u")
    .i32(4 * lanes)
    .op("i32.mul", "i32.add");
}

/** Values[frequency][part][example and tile][lane] of the source, times the scale where one is given. */
function buildValues(module: ModuleBuilder, code: FftCode, scale: number | null): number {
  const forward = addForward(module, code, code.spread);
  const split = addSplit(module, code, scale);
  return routine(module, true, (f, own) => {
    const { table, record, scratch } = own;
    const place = placeChunk(f, code, own, "sources");
    pushPart(f, own, () => operand(f, table, operandAt.from), 0, place, code.from / code.lanes, code.lanes);
    f.get(scratch).get(place.tile).get(record);
    for (const name of ["nextCell", "nextRow", "nextPlane"] as const) streamWord(f, record, 0, name);
    f.call(forward).get(scratch);
    tableAt(f, record, "pairs");
    word(f, record, "pairCount").get(place.at);
    word(f, record, "valueFrequency").call(split);
  });
}

function buildResults(module: ModuleBuilder, code: FftCode): number {
  const join = addJoin(module, code);
  const inverse = addInverse(module, code);
  return routine(module, true, (f, own) => {
    const { table, record, scratch } = own;
    const place = placeChunk(f, code, own, "results");
    const mask = f.local("i32");
    f.get(scratch);
    tableAt(f, record, "pairs");
    word(f, record, "pairCount").get(place.at);
    word(f, record, "productFrequency").call(join);
    if (code.spare) pushMask(f, code, own, place, mask);
    f.get(scratch).get(place.tile).get(record).get(mask);
    const perBlock = code.to / code.lanes;
    [null, ...code.fused].forEach((fused, i) => {
      const splat = fused?.splat === true;
      const base = (): void => void operand(f, table, i === 0 ? operandAt.to : operandAt.fused + i - 1);
      // a splat has one value for all lanes
      pushPart(f, own, base, 1 + i, place, perBlock, splat ? 0 : code.lanes);
      (["plane", "row", "cell"] as const).forEach((name, axis) => {
        tileWord(f, place.tile, (["at0", "at1", "at2"] as const)[axis]);
        streamWord(f, record, 1 + i, name).op("i32.mul", "i32.add");
      });
      for (const name of ["nextCell", "nextRow", "nextPlane"] as const) streamWord(f, record, 1 + i, name);
    });
    f.call(inverse);
  });
}

/** Masks of whole blocks lie first, those of the last one after them. */
function pushMask(f: FunctionBuilder, code: FftCode, { record }: Chunk, { part }: Place, mask: Local): void {
  const perBlock = code.to / code.lanes;
  tableAt(f, record, "mask").get(part).i32(perBlock).op("i32.rem_u");
  f.i32(4 * code.lanes)
    .op("i32.mul", "i32.add")
    .i32(4 * code.to)
    .i32(0)
    .get(part)
    .i32(perBlock)
    .op("i32.div_u")
    .i32(1)
    .op("i32.add");
  word(f, record, "resultBlocks").op("i32.eq", "select", "i32.add").set(mask);
}
