import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { expandAssignments, extents, mebibytes, number, oneOf, pictureSize, quote, wholeNumber } from "./arguments.ts";

const train = new Command("train").argument("[data]").option("--weight-decay <x>").option("--epochs <n>").option("--json");
const expand = (...argv: string[]): string[] => expandAssignments(argv, [train]);

test("key=value is --key=value for options that the command has", () => {
  assert.deepEqual(expand("train", "data", "epochs=3", "weightDecay=0.1", "weight_decay=2", "weight-decay=3"), [
    "train",
    "data",
    "--epochs=3",
    "--weight-decay=0.1",
    "--weight-decay=2",
    "--weight-decay=3",
  ]);
  assert.deepEqual(expand("train", "json=true", "json=false"), ["train", "--json"]);
});

test("all else with an equals sign stays as it is", () => {
  for (const argument of ["colour=red.png", "--epochs=3", "/tmp/a=b", "=", "json=maybe"])
    assert.deepEqual(expand("train", argument), ["train", argument]);
  assert.deepEqual(expand("epochs=3", "train"), ["epochs=3", "train"]);
  assert.deepEqual(expand("train", "--", "epochs=3"), ["train", "--", "epochs=3"]);
  assert.deepEqual(expand("fly", "epochs=3"), ["fly", "epochs=3"]);
});

test("numbers and words are checked", () => {
  assert.equal(wholeNumber(1)("12"), 12);
  for (const text of ["0", "1.5", "x", "", " "]) assert.throws(() => wholeNumber(1)(text), /expected a whole number >= 1; received/);
  assert.equal(number({ from: 0, below: 1 })("0.5"), 0.5);
  for (const text of ["1", "-0.1", "NaN", "Infinity", ""])
    assert.throws(() => number({ from: 0, below: 1 })(text), /expected a number >= 0 and < 1; received/);
  assert.deepEqual([mebibytes("true"), mebibytes("1.5")], [true, 1.5 * 2 ** 20]);
  assert.throws(() => mebibytes("0"), /expected a number > 0; received 0/);
  assert.equal(oneOf("wide", "plain")("wide"), "wide");
  assert.throws(() => oneOf("wide", "plain")("Wide"), /expected one of wide, plain; received Wide\./);
  assert.deepEqual(extents("3x224x224"), [3, 224, 224]);
  for (const text of ["", "3x", "3x-1", "axb"]) assert.throws(() => extents(text), /expected whole numbers >= 1 joined by x; received/);
  assert.deepEqual([pictureSize("64"), pictureSize("48x64")], [64, [48, 64]]);
  assert.throws(() => pictureSize("1x2x3"), /expected a side, or HEIGHTxWIDTH/);
});

test("words are quoted as a shell reads them", () => {
  assert.equal(["train", "my photos", "it's", "--size=4"].map(quote).join(" "), `train 'my photos' 'it'\\''s' --size=4`);
});
