import { convertIndexedToRgb, type DecodedPng, decode as decodePng } from "fast-png";
import { decompressFrame, parseGIF } from "gifuct-js";
import { decode as decodeCmyk } from "jpeg-js";
import { invariant } from "../base/errors.ts";
import type { PictureHeader } from "./picture-header.ts";
import { type Raster, resize } from "./resize.ts";
import { openCodec } from "./wasm-codec.ts";
import { firstWebpFrame } from "./webp-frame.ts";

/** Decodes pictures without native code. */
export type PlainDecoder = (bytes: Uint8Array, header: PictureHeader, width: number, height: number) => Promise<Raster>;

/** Opens the decoders in JavaScript and wasm; each codec is compiled when its first picture comes. */
export function plainDecoder(): PlainDecoder {
  let jpeg: ReturnType<typeof openCodec> | undefined;
  let webp: ReturnType<typeof openCodec> | undefined;
  const decoders: { readonly [format in PictureHeader["format"]]: (bytes: Uint8Array, header: PictureHeader) => Promise<Raster> | Raster } =
    {
      png: pngRaster,
      gif: gifRaster,
      jpeg: async (bytes, header) => {
        if (header.cmyk)
          return {
            ...decodeCmyk(bytes, { useTArray: true, tolerantDecoding: false, maxResolutionInMP: 1e6, maxMemoryUsageInMB: 16384 }),
            channels: 4,
          };
        jpeg ??= openCodec("jpeg");
        return (await jpeg)(bytes);
      },
      webp: async (bytes, header) => {
        webp ??= openCodec("webp");
        const decode = await webp;
        const frame = firstWebpFrame(bytes);
        return frame === undefined ? decode(bytes) : placeOn(await decode(frame.file), frame, header);
      },
    };
  return async (bytes, header, width, height) => {
    const whole = overWhite(await decoders[header.format](bytes.subarray(0, header.end), header));
    const turned = header.orientation >= 5;
    const small = resize(whole, turned ? height : width, turned ? width : height);
    return turn(small, header.orientation);
  };
}

/** RGB or grey of an RGBA or grey-alpha raster, blended over white. */
function overWhite(raster: Raster): Raster {
  if (raster.channels === 1 || raster.channels === 3) return raster;
  const channels = raster.channels - 1;
  const cells = raster.width * raster.height;
  const data = new Uint8Array(cells * channels);
  for (let cell = 0, from = 0, to = 0; cell < cells; cell++, from++) {
    const alpha = raster.data[from + channels];
    for (let channel = 0; channel < channels; channel++, from++, to++) {
      data[to] = alpha === 255 ? raster.data[from] : Math.round((raster.data[from] * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  return { ...raster, channels, data };
}

/** Turns a picture upright from its EXIF orientation. */
function turn(raster: Raster, orientation: number): Raster {
  if (orientation === 1) return raster;
  const { width, height, channels, data } = raster;
  const swapped = orientation >= 5;
  const [across, down] = swapped ? [height, width] : [width, height];
  const mirrorX = [2, 3, 7, 8].includes(orientation);
  const mirrorY = [3, 4, 6, 7].includes(orientation);
  const result = new Uint8Array(data.length);
  for (let y = 0, target = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      const [column, row] = swapped ? [y, x] : [x, y];
      const source = ((mirrorY ? height - 1 - row : row) * width + (mirrorX ? width - 1 - column : column)) * channels;
      for (let channel = 0; channel < channels; channel++) result[target++] = data[source + channel];
    }
  }
  return { width: across, height: down, channels, data: result };
}

function pngRaster(bytes: Uint8Array): Raster {
  const png = decodePng(bytes, { checkCrc: true });
  const { width, height } = png;
  if (png.palette !== undefined) {
    const data = convertIndexedToRgb(png);
    return { width, height, channels: data.length / (width * height), data };
  }
  const data =
    png.data instanceof Uint16Array
      ? Uint8Array.from(png.data, (value) => value >> 8)
      : png.depth < 8
        ? unpackGrey(png)
        : new Uint8Array(png.data);
  const raster = { width, height, channels: png.channels, data };
  return png.transparency === undefined ? raster : withTransparency(raster, png);
}

/** Grey of 1, 2 or 4 bits, rows padded to bytes, as 8 bits. */
function unpackGrey({ width, height, depth, data }: DecodedPng): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  const largest = 2 ** depth - 1;
  const result = new Uint8Array(width * height);
  for (let cell = 0; cell < result.length; cell++) {
    const bit = (cell % width) * depth;
    const byte = data[Math.floor(cell / width) * rowBytes + (bit >> 3)];
    result[cell] = (((byte >> (8 - depth - (bit & 7))) & largest) * 255) / largest;
  }
  return result;
}

/** Adds the alpha channel of a PNG that names one colour as transparent. */
function withTransparency(raster: Raster, png: DecodedPng): Raster {
  const { channels } = raster;
  const cells = raster.width * raster.height;
  const data = new Uint8Array(cells * (channels + 1));
  const named = Array.from(png.transparency ?? []);
  const stored = png.depth < 8 ? raster.data : png.data;
  const wanted = png.depth < 8 ? named.map((value) => (value * 255) / (2 ** png.depth - 1)) : named;
  for (let cell = 0; cell < cells; cell++) {
    let isNamed = true;
    for (let channel = 0; channel < channels; channel++) {
      data[cell * (channels + 1) + channel] = raster.data[cell * channels + channel];
      isNamed &&= stored[cell * channels + channel] === wanted[channel];
    }
    data[cell * (channels + 1) + channels] = isNamed ? 0 : 255;
  }
  return { ...raster, channels: channels + 1, data };
}

function gifRaster(bytes: Uint8Array, header: PictureHeader): Raster {
  // the bytes end after the first frame, so the others are never unpacked
  const closed = new Uint8Array(bytes.length + 1);
  closed.set(bytes);
  closed[bytes.length] = 0x3b;
  const parsed = parseGIF(closed.buffer);
  const first = parsed.frames.find((frame) => "image" in frame);
  invariant(first !== undefined && "image" in first, () => "a GIF whose header was read has no frame");
  const { dims, patch } = decompressFrame(first, parsed.gct, true);
  const raster = { width: dims.width, height: dims.height, channels: 4, data: new Uint8Array(patch.buffer) };
  return placeOn(raster, { x: dims.left, y: dims.top }, header);
}

/** Puts a frame on its empty canvas. */
function placeOn(frame: Raster, at: { x: number; y: number }, { width, height }: PictureHeader): Raster {
  if (frame.width === width && frame.height === height) return frame;
  const data = new Uint8Array(width * height * 4);
  const columns = Math.min(frame.width, width - at.x);
  for (let row = 0; row < Math.min(frame.height, height - at.y); row++) {
    const source = row * frame.width * 4;
    data.set(frame.data.subarray(source, source + columns * 4), ((at.y + row) * width + at.x) * 4);
  }
  return { width, height, channels: 4, data };
}
