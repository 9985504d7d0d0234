import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "fast-png";
import type { Decoder } from "../../src/data/dataset.ts";
import { chooseDecoder, openDecoder, type PictureDecoder, writePlanes } from "../../src/data/decode.ts";
import { isFault, readHeader } from "../../src/data/picture-header.ts";
import type { Raster } from "../../src/data/resize.ts";
import { claims, png, png16, scene, sharp, withoutSharp } from "./pictures.ts";

const width = 90;
const height = 70;

/**
 * One picture in every form, and the largest mean difference between the decoders (levels of 255).
 * CMYK has no one meaning: sharp converts it by a colour profile, the plain decoder by a formula.
 */
async function forms(): Promise<{ name: string; bytes: Uint8Array; bound: number }[]> {
  if (sharp === undefined) return [];
  const make = sharp;
  const raw = (channels: 1 | 2 | 3 | 4, across = width, down = height) =>
    make(scene(across, down, channels), { raw: { width: across, height: down, channels } });
  const frames = await Promise.all(
    [1, 2, 3].map((seed) =>
      make(png(width, height, 4, seed))
        .png()
        .toBuffer(),
    ),
  );
  const animated = () => make(frames, { join: { animated: true } });
  const oriented = await Promise.all(
    [1, 2, 3, 4, 5, 6, 7, 8].map(async (orientation) => ({
      name: `jpeg of orientation ${orientation}`,
      bytes: await raw(3).jpeg().withMetadata({ orientation }).toBuffer(),
      bound: 1,
    })),
  );
  return [
    { name: "jpeg", bytes: await raw(3).jpeg().toBuffer(), bound: 1 },
    { name: "jpeg, large", bytes: await raw(3, 1200, 900).jpeg().toBuffer(), bound: 1 },
    { name: "jpeg, progressive", bytes: await raw(3).jpeg({ progressive: true }).toBuffer(), bound: 1 },
    { name: "jpeg, grey", bytes: await raw(1).jpeg().toBuffer(), bound: 1 },
    { name: "jpeg, cmyk", bytes: await raw(3).toColourspace("cmyk").jpeg().toBuffer(), bound: 40 },
    { name: "png", bytes: png(width, height), bound: 0.5 },
    { name: "png, grey", bytes: png(width, height, 1), bound: 0.5 },
    { name: "png, grey and alpha", bytes: png(width, height, 2), bound: 1 },
    { name: "png, alpha", bytes: png(width, height, 4), bound: 1 },
    { name: "png, palette", bytes: await raw(3).png({ palette: true }).toBuffer(), bound: 0.5 },
    { name: "png, interlaced", bytes: await raw(3).png({ progressive: true }).toBuffer(), bound: 0.5 },
    { name: "png, 16 bits", bytes: png16(width, height, 3), bound: 0.5 },
    { name: "png, 16 bits, grey and alpha", bytes: png16(width, height, 2), bound: 1.5 },
    { name: "png, 1 bit", bytes: encode({ width: 90, height: 8, channels: 1, depth: 1, data: scene(12, 8, 1) }), bound: 0.5 },
    { name: "webp", bytes: await raw(3).webp().toBuffer(), bound: 1.5 },
    { name: "webp, lossless, alpha", bytes: await raw(4).webp({ lossless: true }).toBuffer(), bound: 1.5 },
    { name: "webp, animated", bytes: await animated().webp().toBuffer(), bound: 1.5 },
    { name: "gif", bytes: await raw(3).gif().toBuffer(), bound: 0.5 },
    { name: "gif, animated", bytes: await animated().gif().toBuffer(), bound: 1 },
    ...oriented,
  ];
}

function planes(raster: Raster | { fault: string }, name: string): Uint8Array {
  assert.ok(!isFault(raster), `${name}: ${isFault(raster) && raster.fault}`);
  const result = new Uint8Array(3 * raster.width * raster.height);
  writePlanes(raster, 3, result, 0);
  return result;
}

function difference(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((sum, value, index) => sum + Math.abs(value - b[index]), 0) / a.length;
}

test("sharp and the plain decoders agree on every form, reduced, as it is and enlarged", { skip: withoutSharp }, async () => {
  const native = await openDecoder("sharp");
  const plain = await openDecoder("plain");
  for (const { name, bytes, bound } of await forms()) {
    for (const [across, down] of [
      [32, 24],
      [width, height],
      [100, 130],
    ]) {
      const apart = difference(planes(await native(bytes, across, down), name), planes(await plain(bytes, across, down), name));
      assert.ok(apart <= bound, `${name} at ${across} x ${down}: ${apart.toFixed(2)} levels apart, bound ${bound}`);
    }
  }
});

const decoders: readonly Decoder[] = sharp === undefined ? ["plain"] : ["plain", "sharp"];

for (const name of decoders) {
  const open = (): Promise<PictureDecoder> => openDecoder(name);

  test(`${name}: a PNG comes back as it was`, async () => {
    assert.deepEqual(
      [...planes(await (await open())(png(width, height), width, height), "png")],
      [...interleavedToPlanes(scene(width, height, 3))],
    );
  });

  test(`${name}: alpha is blended over white`, async () => {
    const data = Uint8Array.from([0, 0, 0, 0, 200, 100, 50, 255, 0, 0, 0, 51, 10, 20, 30, 0]);
    const result = planes(await (await open())(encode({ width: 4, height: 1, channels: 4, depth: 8, data }), 4, 1), "alpha");
    assert.deepEqual([...result.subarray(0, 4)], [255, 200, 204, 255]);
    assert.deepEqual([...result.subarray(8, 12)], [255, 50, 204, 255]);
  });

  test(`${name}: of animated pictures the first frame is taken`, { skip: withoutSharp }, async () => {
    if (sharp === undefined) return;
    const make = sharp;
    const frame = (background: string): Promise<Buffer> =>
      make({ create: { width: 20, height: 10, channels: 3, background } })
        .png()
        .toBuffer();
    const frames = await Promise.all(["#ff0000", "#00ff00"].map(frame));
    const animated = () => make(frames, { join: { animated: true } });
    for (const bytes of [await animated().gif().toBuffer(), await animated().webp({ lossless: true }).toBuffer()]) {
      const [red, green] = [
        planes(await (await open())(bytes, 2, 2), "animated")[0],
        planes(await (await open())(bytes, 2, 2), "animated")[4],
      ];
      assert.ok(red > 250 && green < 5, `red ${red}, green ${green}`);
    }
  });

  test(`${name}: bad files come back as faults, and the next picture is read`, async () => {
    const decode = await open();
    const whole = png(width, height);
    const jpeg =
      sharp &&
      (await sharp(scene(width, height, 3), { raw: { width, height, channels: 3 } })
        .jpeg()
        .toBuffer());
    const fault = async (bytes: Uint8Array): Promise<string> => {
      const result = await decode(bytes, 8, 8);
      return isFault(result) ? result.fault : "none";
    };
    assert.equal(await fault(new Uint8Array(0)), "empty file");
    assert.equal(await fault(new TextEncoder().encode("once upon a time")), "not a PNG, JPEG, WebP or GIF picture");
    assert.equal(await fault(whole.subarray(0, 200)), "truncated: PNG data ends after 200 bytes, before the picture does");
    assert.equal(await fault(claims(60_000, 60_000)), "60000 x 60000 pixels, more than the limit of 100000000");
    assert.equal(await fault(claims(0, 10)), "damaged: 0 x 10 pixels");
    if (jpeg !== undefined) {
      assert.equal(await fault(jpeg.subarray(0, 700)), "truncated: JPEG data ends after 700 bytes, before the picture does");
      assert.equal(await fault(jpeg.subarray(0, 30)), "truncated: JPEG data ends after 30 bytes, before the picture does");
    }
    const damaged = whole.slice();
    damaged.fill(0xaa, 60, 120);
    assert.match(await fault(damaged), /^damaged: /);
    assert.equal(await fault(whole), "none");
  });
}

function interleavedToPlanes(data: Uint8Array): Uint8Array {
  const cells = data.length / 3;
  return Uint8Array.from({ length: data.length }, (_, index) => data[(index % cells) * 3 + Math.floor(index / cells)]);
}

test("colour becomes grey by luma, grey becomes colour by repetition", () => {
  const grey = new Uint8Array(3);
  writePlanes({ width: 3, height: 1, channels: 3, data: Uint8Array.from([255, 0, 0, 0, 255, 0, 77, 77, 77]) }, 1, grey, 0);
  assert.deepEqual([...grey], [77, 149, 77]);
  const colour = new Uint8Array(6);
  writePlanes({ width: 2, height: 1, channels: 1, data: Uint8Array.from([5, 6]) }, 3, colour, 0);
  assert.deepEqual([...colour], [5, 6, 5, 6, 5, 6]);
});

test("every cut of every form is known as truncated or damaged from its structure", { skip: withoutSharp }, async () => {
  for (const { name, bytes } of await forms()) {
    const header = readHeader(bytes);
    assert.ok(!isFault(header), name);
    for (let part = 1; part < 12; part++) {
      const cut = readHeader(bytes.subarray(0, Math.floor((header.end * part) / 12)));
      assert.ok(isFault(cut), `${name} cut to ${part}/12`);
    }
    assert.ok(!isFault(readHeader(bytes.subarray(0, header.end))), `${name} up to its end`);
  }
});

test("the decoder is chosen by name or variable", async () => {
  assert.equal(await chooseDecoder("plain"), "plain");
  process.env.TOEPLITZ_DECODER = "plain";
  try {
    assert.equal(await chooseDecoder(), "plain");
    process.env.TOEPLITZ_DECODER = "magic";
    await assert.rejects(chooseDecoder(), { message: "data(decoder): name: expected auto, sharp or plain; received magic." });
  } finally {
    delete process.env.TOEPLITZ_DECODER;
  }
});
