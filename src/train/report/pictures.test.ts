import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "fast-png";
import type { Picture } from "./data.ts";
import { kernelPictures } from "./kernels.ts";
import { picturePixels, showPicture } from "./pictures.ts";

const options = { alt: "a <picture>", side: 60 };

/** Pixels of the image element, as lists of red, green, blue, alpha. */
function shown(picture: Picture, signed = false): { width: number; height: number; pixels: number[][] } {
  const { markup } = showPicture(picture, { ...options, signed });
  const text = /src="data:image\/png;base64,([^"]+)"/.exec(markup)?.[1];
  assert.ok(text !== undefined, markup);
  const { width, height, data, channels } = decode(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
  assert.equal(channels, 4);
  return { width, height, pixels: Array.from({ length: width * height }, (_, index) => [...data.slice(index * 4, index * 4 + 4)]) };
}

const grey = (value: number): number[] => [value, value, value, 255];

test("a grey picture of bytes keeps its values", () => {
  const { width, height, pixels } = shown({ channels: 1, extents: [2, 3], data: Uint8Array.of(0, 1, 2, 100, 200, 255) });
  assert.deepEqual([width, height], [3, 2]);
  assert.deepEqual(pixels, [0, 1, 2, 100, 200, 255].map(grey));
});

test("floats are spread from the least to the greatest, or from low to high with the rest cut", () => {
  const picture: Picture = { channels: 1, extents: [1, 3], data: Float32Array.of(-1, 0, 3) };
  assert.deepEqual(shown(picture).pixels, [0, 64, 255].map(grey));
  assert.deepEqual(shown({ ...picture, low: 0, high: 2 }).pixels, [0, 0, 255].map(grey));
});

test("channels come first: three planes make one colour picture", () => {
  const { pixels } = shown({ channels: 3, extents: [1, 2], data: Uint8Array.of(10, 20, 30, 40, 50, 60) });
  assert.deepEqual(pixels, [
    [10, 30, 50, 255],
    [20, 40, 60, 255],
  ]);
});

test("a signed picture: zero is neutral, the largest magnitude is full blue or full red", () => {
  const { pixels } = shown({ channels: 1, extents: [1, 3], data: Float32Array.of(-2, 0, 1) }, true);
  assert.deepEqual(pixels[0], [11, 99, 181, 255]);
  assert.deepEqual(pixels[1], [245, 245, 245, 255]);
  assert.deepEqual(pixels[2], [220, 155, 129, 255]);
});

test("values that are not numbers are clear; a flat picture is middle grey", () => {
  assert.deepEqual(shown({ channels: 1, extents: [1, 2], data: Float32Array.of(Number.NaN, 1), low: 0, high: 1 }).pixels, [
    [0, 0, 0, 0],
    grey(255),
  ]);
  assert.deepEqual(shown({ channels: 1, extents: [1, 2], data: Float32Array.of(7, 7) }).pixels, [grey(128), grey(128)]);
});

test("a large picture is reduced by means over whole boxes, the last one cut", () => {
  const data = Float32Array.from({ length: 200 * 301 }, (_, cell) => (cell % 301) % 2);
  const { width, height, data: pixels } = picturePixels({ channels: 1, extents: [200, 301], data });
  assert.deepEqual([width, height], [151, 100]);
  assert.deepEqual([...pixels.slice(0, 4)], grey(128));
  assert.deepEqual([...pixels.slice(150 * 4, 151 * 4)], grey(0));
});

test("a volume is shown as slices with clear gaps between them", () => {
  const { width, height, data } = picturePixels({ channels: 1, extents: [5, 1, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10) });
  assert.deepEqual([width, height], [8, 3]);
  const red = Array.from({ length: height }, (_, row) => Array.from({ length: width }, (_, column) => data[(row * width + column) * 4]));
  assert.deepEqual(red, [
    [1, 2, 0, 3, 4, 0, 5, 6],
    [0, 0, 0, 0, 0, 0, 0, 0],
    [7, 8, 0, 9, 10, 0, 0, 0],
  ]);
  assert.deepEqual([data[2 * 4 + 3], data[3]], [0, 255]);
});

test("a deep volume is shown by 16 slices, evenly spread", () => {
  const { width, height, data } = picturePixels({
    channels: 1,
    extents: [64, 1, 1],
    data: Uint8Array.from({ length: 64 }, (_, plane) => plane),
  });
  assert.deepEqual([width, height], [7, 7]);
  assert.deepEqual(
    [0, 2, 4, 6].map((column) => data[column * 4]),
    [2, 6, 10, 14],
  );
});

test("a signal is a line plot in the page's colours, with its name for those who cannot see it", () => {
  const { markup } = showPicture({ channels: 1, extents: [3], data: Float32Array.of(-1, 0, 1) }, options);
  assert.match(markup, /^<svg class="plot" role="img" aria-label="a &lt;picture&gt;" viewBox="0 0 120 60"/);
  assert.match(markup, /<polyline points="3\.0,57\.0 60\.0,30\.0 117\.0,3\.0"\/>/);
  assert.match(markup, /<line x1="0" x2="120" y1="30\.0" y2="30\.0"\/>/);
});

test("a long signal keeps its peaks", () => {
  const data = new Float32Array(100_000);
  data[54_321] = 5;
  data[12_345] = -5;
  const { markup } = showPicture({ channels: 1, extents: [data.length], data }, options);
  const points = /points="([^"]+)"/.exec(markup)?.[1].split(" ") ?? [];
  assert.ok(points.length <= 480, String(points.length));
  assert.ok(points.some((point) => point.endsWith(",3.0")) && points.some((point) => point.endsWith(",57.0")));
});

test("refused: extents and data that do not fit", () => {
  assert.throws(() => showPicture({ channels: 3, extents: [2, 2], data: new Uint8Array(4) }, options), {
    message: "report(picture): data: expected 12 values (3 x 2 x 2); received 4.",
  });
  assert.throws(() => showPicture({ channels: 1, extents: [0], data: new Uint8Array(0) }, options), {
    message: "report(picture): extents: expected 1, 2 or 3 integers > 0; received [0].",
  });
});

test("kernels: colour for three channels on two axes, one picture per pair of channels for others, channel by tap for signals", () => {
  const data = (count: number): Float32Array => Float32Array.from({ length: count }, (_, index) => index - 5);
  const kinds = (shape: number[], limit?: number): string[] =>
    kernelPictures(shape, data(shape.reduce((a, b) => a * b, 1)), limit).map(
      ({ picture }) => `${picture.channels}: ${picture.extents.join("x")}`,
    );
  assert.deepEqual(kinds([2, 3, 5, 5]), ["3: 5x5", "3: 5x5"]);
  assert.deepEqual(kinds([3, 1, 3, 3], 2), ["1: 3x3", "1: 3x3"]);
  assert.deepEqual(kinds([1, 2, 3, 3]), ["1: 3x3", "1: 3x3"]);
  assert.deepEqual(kinds([2, 22, 9]), ["1: 22x9", "1: 22x9"]);
  assert.deepEqual(kinds([1, 1, 9]), ["1: 9"]);
  assert.deepEqual(kinds([1, 1, 3, 3, 3]), ["1: 3x3x3"]);
  const pairs = kernelPictures([2, 2, 1, 2], data(8));
  assert.deepEqual(
    pairs.map(({ caption, picture }) => [caption, ...picture.data]),
    [
      ["0 of input 0, max 5.0", -5, -4],
      ["0 of input 1, max 3.0", -3, -2],
      ["1 of input 0, max 1.0", -1, 0],
      ["1 of input 1, max 2.0", 1, 2],
    ],
  );
});
