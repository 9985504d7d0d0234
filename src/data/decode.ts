import { fail } from "../base/errors.ts";
import type { Decoder, Proportions } from "./dataset.ts";
import type { PlainDecoder } from "./decode-plain.ts";
import { decodeWithSharp, loadSharp } from "./decode-sharp.ts";
import { defaultMaximumPixels, isFault, type PictureFault, type PictureHeader, readHeader, uprightSize } from "./picture-header.ts";
import type { Raster } from "./resize.ts";

/**
 * Decodes the first frame of a picture to width x height RGB (interleaved), upright, over white; with proportions kept, to the size
 * that `keptSize` gives in that box.
 */
export type PictureDecoder = (
  bytes: Uint8Array,
  width: number,
  height: number,
  proportions?: Proportions,
) => Promise<Raster | PictureFault>;

/** The longest side of a kept form over its shortest: longer forms are squeezed to it, so that pooling leaves cells of them. */
const mostForm = 4;

/** Size of a picture that keeps its proportions, with the box's longer side as its own. */
export function keptSize(picture: { width: number; height: number }, box: number): { width: number; height: number } {
  const longer = Math.max(picture.width, picture.height);
  const side = (extent: number): number => Math.max(Math.ceil(box / mostForm), Math.round((extent * box) / longer));
  return { width: side(picture.width), height: side(picture.height) };
}

/**
 * Picks the decoder: `auto` is sharp where it is installed, else `plain` (JavaScript and wasm). The variable TOEPLITZ_DECODER overrides `auto`.
 *
 * Throws: ToeplitzError when the name is unknown, or sharp is asked for and is not there.
 */
export async function chooseDecoder(wanted: "auto" | Decoder = "auto"): Promise<Decoder> {
  const fromEnvironment = typeof process === "object" ? process.env.TOEPLITZ_DECODER : undefined;
  const name = wanted === "auto" && fromEnvironment ? fromEnvironment : wanted;
  if (name === "plain") return "plain";
  if (name !== "auto" && name !== "sharp") fail("data", "decoder", "name", "auto, sharp or plain", name);
  if ((await loadSharp()) !== undefined) return "sharp";
  if (name === "sharp")
    fail("data", "decoder", "sharp", "the package sharp to be installed", "none", "Run npm install sharp, or use the decoder plain.");
  return "plain";
}

/**
 * Opens a decoder of pictures (PNG, JPEG, WebP, GIF). What cannot be decoded comes back as a fault, a part of a sentence.
 *
 * The first frame of an animated picture is taken, alpha is blended over white, 16 bits are cut to 8, EXIF orientation is applied, colour profiles are ignored
 * (but for CMYK, which sharp converts by its profile and `plain` by (1 - c)(1 - k)). The two decoders differ by their rounding and resizing: about one level of 255 in the mean.
 */
export async function openDecoder(decoder: Decoder, maximumPixels = defaultMaximumPixels): Promise<PictureDecoder> {
  const decode = await backend(decoder);
  return async (bytes, width, height, proportions) => {
    const header = readHeader(bytes, maximumPixels);
    if (isFault(header)) return header;
    const wanted = proportions === "kept" ? keptSize(uprightSize(header), Math.max(width, height)) : { width, height };
    try {
      return await decode(bytes, header, wanted.width, wanted.height);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      return { fault: `damaged: ${reason.split("\n")[0].trim().replace(/\.$/, "")}` };
    }
  };
}

async function backend(decoder: Decoder): Promise<PlainDecoder> {
  if (decoder === "plain") return (await import("./decode-plain.ts")).plainDecoder();
  const sharp = await loadSharp();
  if (sharp === undefined) return fail("data", "decoder", "sharp", "the package sharp to be installed", "none");
  return (bytes: Uint8Array, header: PictureHeader, width: number, height: number) => decodeWithSharp(sharp, bytes, header, width, height);
}

/** Writes a raster (grey or RGB, interleaved) as [channels, height, width]; colour to grey by Rec. 601 luma. */
export function writePlanes(raster: Raster, channels: number, into: Uint8Array, offset: number): void {
  const { data } = raster;
  const cells = raster.width * raster.height;
  const step = raster.channels;
  const last = step >= 3 ? 2 : 0;
  for (let cell = 0, from = 0; cell < cells; cell++, from += step) {
    if (channels === 1) {
      into[offset + cell] = last === 0 ? data[from] : (77 * data[from] + 150 * data[from + 1] + 29 * data[from + 2] + 128) >> 8;
    } else {
      into[offset + cell] = data[from];
      into[offset + cells + cell] = data[from + Math.min(1, last)];
      into[offset + 2 * cells + cell] = data[from + last];
    }
  }
}
