import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { random } from "../../src/base/random.ts";
import { loadSharp } from "../../src/data/decode-sharp.ts";

export const sharp = await loadSharp();

/** A reason to skip, or false. */
export const withoutSharp = sharp === undefined ? "sharp is not installed" : false;

/** A smooth picture with an edge, alike at any size: interleaved, 8 bits. */
export function scene(width: number, height: number, channels: number, seed = 1): Uint8Array {
  const draw = random(seed);
  const waves = Array.from({ length: channels }, () => [draw.uniform() * 6, draw.uniform() * 6, draw.uniform() * 6]);
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const [a, b, c] = waves[channel];
        const wave = Math.sin((a * x) / width + (b * y) / height + c);
        data[(y * width + x) * channels + channel] = 120 + 80 * wave + (x * 3 > width * 2 ? 40 : 0);
      }
    }
  }
  return data;
}

/** The scene as a PNG. */
export function png(width: number, height: number, channels = 3, seed = 1): Uint8Array {
  return encode({ width, height, channels, depth: 8, data: scene(width, height, channels, seed) });
}

/** A PNG of 16 bits. */
export function png16(width: number, height: number, channels: number): Uint8Array {
  const data = Uint16Array.from(scene(width, height, channels), (value) => value * 257);
  return encode({ width, height, channels, depth: 16, data });
}

/** A whole PNG whose header claims another size. */
export function claims(width: number, height: number): Uint8Array {
  const bytes = png(4, 4).slice();
  const view = new DataView(bytes.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return bytes;
}

/** Makes a folder of files for one test; `use` gets its path. */
export async function withFolder(
  files: { readonly [name: string]: Uint8Array | string },
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "toeplitz-data-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      if (!name.endsWith("/")) await writeFile(join(folder, name), content);
      else await mkdir(join(folder, name), { recursive: true });
    }
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
