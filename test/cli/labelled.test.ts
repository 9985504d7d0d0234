import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { decode, encode } from "fast-png";
import { random } from "../../src/base/random.ts";
import { Workplace, writeStripes } from "./command.ts";

const place = new Workplace();
after(() => place.remove());

const [height, width] = [40, 52];
const grey = (data: Uint8Array, rows = height, columns = width): Uint8Array =>
  encode({ height: rows, width: columns, data, channels: 1, depth: 8 });

/** Bright discs on dark noise, and which cells lie in one. */
function discs(seed: number): { image: Uint8Array; labels: Uint8Array } {
  const draw = random(seed, 5);
  const centres = Array.from({ length: 4 }, () => [draw.integer(0, height - 1), draw.integer(0, width - 1), draw.integer(5, 9)]);
  const labels = Uint8Array.from({ length: height * width }, (_, cell) => {
    const [row, column] = [Math.floor(cell / width), cell % width];
    return centres.some(([y, x, radius]) => (row - y) ** 2 + (column - x) ** 2 < radius ** 2) ? 255 : 0;
  });
  return { image: labels.map((label) => (label === 0 ? 60 : 150) + draw.integer(-50, 50)), labels };
}

function writeDiscs(folder: string, count: number, change: (labels: Uint8Array, index: number) => Uint8Array = (labels) => labels): void {
  for (let index = 0; index < count; index++) {
    const { image, labels } = discs(index);
    place.write(`${folder}/images/${index}.png`, grey(image));
    place.write(`${folder}/labels/${index}.png`, grey(change(labels, index)));
  }
}
writeDiscs("discs", 14);

const train = (name: string, ...more: string[]): string[] => {
  const fixed = ["--model", "unet", "--size", "32", "--batch", "4", "--seed", "2", "--epochs", "3", "--name", name];
  return ["train", "discs", ...fixed, ...more];
};
const modelOf = (name: string): Buffer => readFileSync(place.path("runs", name, "model.safetensors"));

interface CellScores {
  readonly accuracy: number;
  readonly count: number;
  readonly classes: readonly { readonly name: string; readonly f1: number; readonly overlap: number }[];
  readonly confusion: readonly (readonly number[])[];
}

test("a folder of images and labels is trained on, from its first line to its report", async () => {
  const events = await place.events(...train("whole"));
  const { data } = events[0] as { data: { shape: number[]; classes: string[]; notes: string[] } };
  assert.deepEqual(
    [data.shape, data.classes],
    [
      [1, 32, 32],
      ["0", "255"],
    ],
  );
  assert.ok(
    data.notes.some((note) => /^test: the last 3 of 14 pictures/.test(note)),
    data.notes.join(),
  );
  const { test: scores } = events.at(-1) as unknown as { test: CellScores };
  assert.ok(scores.accuracy >= 0.9 && scores.count === 3, JSON.stringify(scores));
  const report = readFileSync(place.path("runs/whole/report.html"), "utf8");
  for (const text of ["Test accuracy of cells", "Dice", "Confusion matrix", 'alt="images/13.png: predicted"'])
    assert.ok(report.includes(text), text);
  const lines = await place.call("evaluate", "whole", "discs");
  assert.equal(lines.code, 0, lines.stderr);
  assert.match(lines.stdout, /^class +accuracy +Dice +overlap +cells\n/m);
  assert.match(lines.stdout, /^part: all, 14 pictures at full size, cross-entropy \d/m);
});

test("Ctrl-C keeps a checkpoint, and the run goes on to the same bits", async () => {
  const started = place.start(...train("stopped"));
  await started.says(/^epoch 1\/3/m);
  started.child.kill("SIGINT");
  assert.equal(await started.ended, 130, started.stderr);
  assert.match(started.stdout, /go on by: npx toeplitz train --resume --name stopped\n$/);
  const events = await place.events("train", "--resume", "--name", "stopped");
  assert.ok((events[0].resumed as { step: number }).step > 0);
  assert.deepEqual(modelOf("stopped"), modelOf("whole"));
});

test("evaluate counts cells at full size; predict writes labels of the picture's own size and levels", async () => {
  const [scores] = (await place.events("evaluate", "whole", "discs", "--part", "all")) as unknown as CellScores[];
  const cells = scores.confusion.flat().reduce((sum, count) => sum + count, 0);
  assert.equal(cells, 14 * height * width);
  assert.deepEqual(
    scores.classes.map(({ name }) => name),
    ["0", "255"],
  );
  for (const { f1, overlap } of scores.classes) assert.ok(f1 > 0.8 && overlap > 0.7 && overlap < f1, JSON.stringify(scores.classes));
  const [answer] = await place.events("predict", "whole", "discs/images/13.png", "--output", "found");
  assert.deepEqual([answer.labels, answer.extents], ["found/13-labels.png", [height, width]]);
  const found = decode(readFileSync(place.path("found/13-labels.png")));
  assert.deepEqual([found.height, found.width, found.channels], [height, width, 1]);
  const { labels } = discs(13);
  const right = labels.filter((label, cell) => label === found.data[cell]).length;
  assert.ok(right > 0.9 * labels.length, `${right} of ${labels.length}`);
  assert.ok(found.data.every((level) => level === 0 || level === 255));
});

async function refuses(argv: readonly string[], ...patterns: readonly RegExp[]): Promise<void> {
  const { code, stderr } = await place.call(...argv);
  assert.equal(code, 2, stderr);
  for (const pattern of patterns) assert.match(stderr, pattern);
  assert.doesNotMatch(stderr, / at .*:\d+:\d+|internal/);
}

test("wrong paths: each is named, good pictures are labelled all the same, and no run is left", async () => {
  await refuses(["train", "nowhere", "--name", "none"], /^data\(nowhere\): folder: /);
  await refuses(
    ["evaluate", "nowhere", "discs"],
    /^model\(nowhere\): file: expected a model file, a run folder, or a run in runs; received nothing there\.\n$/,
  );
  await refuses(["evaluate", "whole", "nowhere"], /^data\(nowhere\): folder: /);
  place.write("lonely/images/a.png", grey(discs(1).image));
  place.write("lonely/labels/b.png", grey(discs(1).labels));
  await refuses(
    ["train", "lonely", "--name", "none"],
    /labels of images: expected a file of the same name in labels for each of 1 images; received none for a\.png\./,
  );
  const { code, stderr, stdout } = await place.call("predict", "whole", "discs/images/0.png", "missing.png", "--output", "some", "--json");
  assert.equal(code, 2);
  assert.match(stderr, /^data\(missing\.png\): picture: expected a file that can be read; received ENOENT/);
  assert.equal((JSON.parse(stdout) as { labels: string }).labels, "some/0-labels.png");
  assert.deepEqual(readdirSync(place.path("some")), ["0-labels.png"]);
  assert.ok(!existsSync(place.path("runs/none")));
});

test("label pictures of another size, or that are no labels, are named with their image", async () => {
  writeDiscs("uneven", 6);
  place.write("uneven/labels/4.png", grey(new Uint8Array(height * (width - 2)), height, width - 2));
  place.write("uneven/labels/5.png", "no picture");
  await refuses(
    ["train", "uneven", "--name", "none"],
    /labels of images\/4\.png: expected 40 x 52 cells \(height x width\), as the image; received 40 x 50\.\n/,
    /labels of images\/5\.png: expected a PNG of grey levels, indices or colours; received /,
  );
  writeDiscs("many", 3, (labels) => labels.map((_, cell) => cell % 200));
  await refuses(
    ["train", "many", "--name", "none"],
    /^data\(many\): levels in the label pictures: expected 2 to 64, one for each class; received 200\. Labels are one level per class; /,
  );
  assert.ok(!existsSync(place.path("runs/none")));
});

test("classes that a model does not know, and sets of another kind, are refused", async () => {
  writeDiscs("third", 4, (labels, index) => labels.map((label, cell) => (index === 3 && cell < 9 ? 128 : label)));
  await refuses(
    ["evaluate", "whole", "third"],
    /^evaluate\(third\): classes: expected those of the model: 0, 255; received 128\. The model cannot give them\.\n$/,
  );
  // one level fewer is no fault: the model may give a class that does not occur
  writeDiscs("dark", 3, (labels, index) => labels.map((label) => (index === 0 ? label : 0)));
  assert.equal((await place.call("evaluate", "whole", "dark")).code, 0);
  writeStripes(place, "stripes", 3);
  await refuses(
    ["evaluate", "whole", "stripes"],
    /classes: expected those of cells, as the model gives them; received those of whole examples/,
  );
});
