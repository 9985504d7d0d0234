import assert from "node:assert/strict";
import { test } from "node:test";
import { coloursOf, drawGallery, drawPicture } from "./draw.ts";
import { printCount, printNumber, printSeconds, printShare, printTable } from "./print.ts";
import { bar, SpeedMeter, StatusLine } from "./progress.ts";

test("numbers for people", () => {
  assert.equal(printCount(1234567), "1,234,567");
  assert.equal(printShare(0.98654), "98.65 %");
  assert.equal(printShare(1), "100.00 %");
  assert.equal(printShare(9999.99999 / 10000), "99.99 %", "one wrong example is never 100 %");
  assert.deepEqual([0.0123456, 1.2e-7, 0, 12345.678].map(printNumber), ["0.01235", "1.20e-7", "0", "12350"]);
  assert.deepEqual([0.04, 9.44, 42.4, 65, 3723].map(printSeconds), ["0.0 s", "9.4 s", "42 s", "1:05", "1:02:03"]);
});

test("tables have columns", () => {
  assert.deepEqual(
    printTable(
      ["name", "count"],
      [
        ["a", "1"],
        ["longer", "1,000"],
      ],
      [false, true],
    ),
    ["name    count", "──────  ─────", "a           1", "longer  1,000"],
  );
});

test("a picture is half blocks: two rows of pixels a line", () => {
  const picture = { channels: 1, extents: [4, 3], data: Float32Array.of(1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1), low: 0, high: 1 } as const;
  assert.deepEqual(drawPicture(picture, "none"), ["█▀ ", " ▀▄"]);
  const coloured = drawPicture({ channels: 3, extents: [2, 1], data: Uint8Array.of(255, 0, 0, 255, 0, 0), low: 0, high: 255 }, "true");
  assert.deepEqual(coloured, ["\u001b[38;2;255;0;0m\u001b[48;2;0;255;0m▀\u001b[0m"]);
  assert.deepEqual(drawPicture({ channels: 1, extents: [1, 1], data: Float32Array.of(0.5), low: 0, high: 1 }, "256"), [
    "\u001b[38;5;244m\u001b[48;5;16m▀\u001b[0m",
  ]);
});

test("large pictures are made smaller, galleries fit the width", () => {
  const picture = { channels: 1, extents: [100, 70], data: new Float32Array(7000).fill(1), low: 0, high: 1 } as const;
  const lines = drawPicture(picture, "none");
  assert.equal(lines.length, 13);
  assert.equal(lines[0].length, 18);
  const small = { channels: 1, extents: [2, 4], data: new Float32Array(8).fill(1), low: 0, high: 1 } as const;
  const gallery = drawGallery(
    [
      { picture: small, caption: "one" },
      { picture: small, caption: "two" },
      { picture: small, caption: "three" },
    ],
    11,
    "none",
  );
  assert.deepEqual(gallery, ["████  ████", "one   two", "", "████", "thre", ""]);
  assert.deepEqual(drawGallery([{ picture: { ...small, extents: [8] }, caption: "signal" }], 80, "none"), []);
});

test("colours follow the terminal", () => {
  assert.equal(coloursOf({ isTTY: true }, { COLORTERM: "truecolor" }), "true");
  assert.equal(coloursOf({ isTTY: true }, {}), "256");
  for (const environment of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) assert.equal(coloursOf({ isTTY: true }, environment), "none");
  assert.equal(coloursOf({}, { COLORTERM: "truecolor" }), "none");
});

test("the status line is drawn over on a terminal, and not at all elsewhere", () => {
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  const line = new StatusLine({ isTTY: true, columns: 10, write });
  line.show("0123456789abc");
  line.show("too soon");
  line.print("stays");
  assert.deepEqual(written, ["\r\u001b[2K012345678", "\r\u001b[2K", "stays\n"]);
  written.length = 0;
  const plain = new StatusLine({ write });
  plain.show("nothing");
  plain.print("line");
  plain.clear();
  assert.deepEqual(written, ["line\n"]);
});

test("the bar shows place, speed and time left", () => {
  assert.equal(bar(0.5, 8), "━━━━────");
  assert.equal(bar(7, 3), "━━━");
  const view = {
    epoch: 2,
    epochs: 10,
    stepInEpoch: 5,
    stepsPerEpoch: 10,
    step: 15,
    steps: 100,
    loss: 0.5,
    learningRate: 0.01,
    examples: 32,
  };
  assert.match(new SpeedMeter().view(view, 100), /^epoch {2}2\/10 {2}━+─+ {2}loss 0\.5 {2}rate 0\.01 {2}[\d,]+ examples\/s {2}.+ left$/);
});
