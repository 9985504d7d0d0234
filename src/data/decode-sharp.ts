import { type PictureHeader, uprightSize } from "./picture-header.ts";
import { type Raster, resize } from "./resize.ts";

type Sharp = typeof import("sharp").default;

/** Loads sharp; undefined where it is not installed or does not run. */
export async function loadSharp(): Promise<Sharp | undefined> {
  try {
    return (await import("sharp")).default;
  } catch {
    return undefined;
  }
}

/** Decodes the first frame to width x height RGB, upright, over white. Throws Error (from sharp) when the data is damaged. */
export async function decodeWithSharp(
  sharp: Sharp,
  bytes: Uint8Array,
  header: PictureHeader,
  width: number,
  height: number,
): Promise<Raster> {
  const upright = uprightSize(header);
  const picture = sharp(bytes, { failOn: "error", limitInputPixels: false, ignoreIcc: !header.cmyk, pages: 1 })
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .removeAlpha()
    .raw({ depth: "uchar" });
  // its enlarged pictures are shifted by half a cell, so ours are made by our own resize
  const isEnlarged = width > upright.width || height > upright.height;
  const sized = isEnlarged ? picture : picture.resize(width, height, { fit: "fill", kernel: "lanczos3" });
  const { data, info } = await sized.toBuffer({ resolveWithObject: true });
  const raster = { width: info.width, height: info.height, channels: info.channels, data };
  return isEnlarged ? resize(raster, width, height) : raster;
}
