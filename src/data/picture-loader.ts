import { readFile } from "node:fs/promises";
import { fail } from "../base/errors.ts";
import type { FileExamples } from "./dataset.ts";
import { openDecoder, writePlanes } from "./decode.ts";

/** Decodes pictures by their row. Throws ToeplitzError when a file cannot be read any more. */
export async function pictureLoader(
  place: FileExamples,
  [channels, height, width]: readonly number[],
): Promise<(row: number) => Promise<Uint8Array>> {
  const decode = await openDecoder(place.decoder, place.maximumPixels);
  return async (row) => {
    const path = place.paths[row];
    const raster = await readFile(path).then(
      (bytes) => decode(bytes, width, height, place.proportions),
      (error: Error) => ({ fault: error.message }),
    );
    if ("fault" in raster) fail("data", path, "picture", "one that could be read when the set was opened", raster.fault);
    const pixels = new Uint8Array(channels * raster.height * raster.width);
    writePlanes(raster, channels, pixels, 0);
    return pixels;
  };
}
