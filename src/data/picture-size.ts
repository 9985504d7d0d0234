import { readFile } from "node:fs/promises";
import type { Proportions } from "./dataset.ts";
import { isFault, readHeader, uprightSize } from "./picture-header.ts";

/** Pictures whose sizes are looked at. */
const sampleSize = 2000;

/** Sets of one size keep it up to this side. */
const nativeSide = 96;

/** Side of pictures of many sizes, or large ones: what small nets learn photographs at. */
const usualSide = 64;

/** The size that pictures are resized to. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
  readonly note: readonly string[];
}

/**
 * Chooses the size of a set's pictures from the headers of up to 2,000 of them: their own where all have one size of at most 96 x 96;
 * the same form with a longer side of 64 where all have one larger size; else 64 x 64, or less where most pictures are smaller.
 * With proportions kept it is a box of the longer side.
 */
export async function choosePictureSize(
  paths: readonly string[],
  wanted?: number | readonly [number, number],
  proportions: Proportions = "squeezed",
): Promise<PictureSize> {
  const chosen = await squeezedSize(paths, wanted);
  if (proportions === "squeezed") return chosen;
  const side = Math.max(chosen.height, chosen.width);
  return { height: side, width: side, note: [`pictures resized to a longer side of ${side}, in their own proportions`] };
}

async function squeezedSize(paths: readonly string[], wanted?: number | readonly [number, number]): Promise<PictureSize> {
  if (typeof wanted === "number") return { height: wanted, width: wanted, note: [] };
  if (wanted !== undefined) return { height: wanted[0], width: wanted[1], note: [] };
  const sizes = await sampledSizes(paths);
  const distinct = new Set(sizes.map(({ height, width }) => `${height}x${width}`));
  const [first] = sizes;
  if (distinct.size === 1) {
    const longer = Math.max(first.height, first.width);
    if (longer <= nativeSide) return { ...first, note: [] };
    const side = (extent: number): number => Math.max(8, Math.round((extent * usualSide) / longer / 4) * 4);
    const chosen = { height: side(first.height), width: side(first.width) };
    return {
      ...chosen,
      note: [`pictures of ${first.height} x ${first.width} (height x width) resized to ${chosen.height} x ${chosen.width}`],
    };
  }
  const sides = sizes.map(({ height, width }) => Math.sqrt(height * width)).sort((a, b) => a - b);
  const median = sides.length === 0 ? usualSide : sides[sides.length >> 1];
  const side = Math.min(usualSide, Math.max(8, Math.round(median / 4) * 4));
  return { height: side, width: side, note: [`pictures of ${distinct.size} sizes resized to ${side} x ${side}`] };
}

async function sampledSizes(paths: readonly string[]): Promise<{ height: number; width: number }[]> {
  const count = Math.min(sampleSize, paths.length);
  const sizes: { height: number; width: number }[] = [];
  for (let index = 0; index < count; index++) {
    const bytes = await readFile(paths[Math.floor((index * paths.length) / count)]).catch(() => undefined);
    const header = bytes && readHeader(bytes);
    if (header === undefined || isFault(header)) continue;
    const { height, width } = uprightSize(header);
    sizes.push({ height, width });
  }
  return sizes;
}
