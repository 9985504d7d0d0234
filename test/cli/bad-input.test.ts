import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { after, test } from "node:test";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { Workplace, writeStripes } from "./command.ts";

const place = new Workplace();
after(() => place.remove());
writeStripes(place, "good", 10);

/** The command ends with exit code 2 and this on stderr, without a stack, and leaves nothing behind. */
async function refuses(argv: readonly string[], message: string | RegExp): Promise<void> {
  const before = readdirSync(place.folder).sort();
  const { code, stderr } = await place.call(...argv);
  if (typeof message === "string") assert.equal(stderr, `${message}\n`);
  else assert.match(stderr, message);
  assert.equal(code, 2, stderr);
  assert.doesNotMatch(stderr, /^\s+at /m);
  assert.deepEqual(readdirSync(place.folder).sort(), before, "something was left behind");
}

test("the command ends with its exit code, and without a stack", () => {
  const { code, stdout, stderr } = place.run("train", "nowhere");
  assert.deepEqual(
    [code, stdout, stderr],
    [2, "", "data(nowhere): folder: expected an existing folder; received nothing there. Check the path.\n"],
  );
});

test("data that are not there, empty, or of something else", async () => {
  await refuses(["train", "nowhere"], "data(nowhere): folder: expected an existing folder; received nothing there. Check the path.");
  mkdirSync(place.path("empty"));
  await refuses(["train", "empty"], "data(empty): contents: expected class folders with pictures, or idx files; received an empty folder.");
  place.write("text/notes.txt", "words");
  await refuses(["train", "text"], /^data\(text\): contents: expected class folders with pictures, or idx files/);
  await refuses(["train", "demo:cats"], "data(demo:cats): embedded set: expected demo:digits or demo:digits:N; received demo:cats.");
  await refuses(["train"], "toeplitz(train): DATA: expected a folder, or demo:digits; received none. See toeplitz train --help.");
});

test("a class without pictures, or that loses all of them", async () => {
  writeStripes(place, "hollow", 3);
  mkdirSync(place.path("hollow/nothing"));
  await refuses(["train", "hollow"], "data(hollow): class nothing: expected >= 1 picture (.png, .jpg, .jpeg, .webp, .gif); received 0.");
  writeStripes(place, "lost", 3);
  place.write("lost/words/a.jpg", "this is text");
  place.write("lost/words/b.png", "");
  await refuses(
    ["train", "lost"],
    /^data\(lost\): class words \(train\): expected >= 1 picture that can be read; received 0 of 2: words\/a\.jpg \(.+\), words\/b\.png \(.+\)\.\n$/,
  );
});

test("broken pictures among good ones are left out and named", async () => {
  writeStripes(place, "mixed", 8);
  const whole = readFileSync(place.path("mixed/along/0.png"));
  place.write("mixed/along/cut.png", whole.subarray(0, whole.length / 2));
  place.write("mixed/along/zero.png", "");
  place.write("mixed/across/text.jpg", "not a picture at all");
  const huge = Buffer.from(whole);
  huge.writeUInt32BE(60_000, 16);
  huge.writeUInt32BE(60_000, 20);
  place.write("mixed/across/huge.png", huge);
  const events = await place.events("train", "mixed", "--epochs", "1", "--runs", "mixed-runs", "--model", "lenet5");
  const { notes, examples } = events[0].data as { notes: string[]; examples: Record<string, number> };
  assert.match(
    notes[0],
    /^left out 4 of 20 pictures: across\/huge\.png \(.*60,?000.*\), across\/text\.jpg \(.+\), along\/cut\.png \(.+\), along\/zero\.png \(.+\)$/,
  );
  assert.equal(examples.train + examples.validation + examples.test, 16);
});

test("a net that does not fit the pictures: the message shows the arithmetic", async () => {
  await refuses(
    ["train", "good", "--model", "lenet5", "--size", "8"],
    /kernel span on axis 0: expected <= padded input 4 \(4 \+ 0 \+ 0\); received 5 \(kernel 5, dilation 1\)\./,
  );
});

test("models and net files that are not there, or are none", async () => {
  await refuses(
    ["train", "good", "--model", "lenet6"],
    /^model\(lenet6\): name: expected one of default, lenet5, .*; received lenet6\.\n$/,
  );
  await refuses(["train", "good", "--model", "net.ts"], "model(net.ts): file: expected a file that exports net; received nothing there.");
  place.write("nets/none.mjs", "export const other = 1;");
  await refuses(
    ["train", "good", "--model", "nets/none.mjs"],
    /^model\(nets\/none\.mjs\): exports: expected net \(a layer, or a function of values\), or createNet\(shape, classes\); received other\.\n$/,
  );
  place.write("nets/broken.mjs", "export const net = ;");
  await refuses(
    ["train", "good", "--model", "nets/broken.mjs"],
    /^model\(nets\/broken\.mjs\): file: expected a module that can be loaded; received .+\n$/,
  );
});

test("options that are unknown, wrong, or out of range", async () => {
  await refuses(["train", "good", "--epoch", "3"], "toeplitz(train): unknown option '--epoch' (Did you mean --epochs?) See --help.");
  await refuses(
    ["train", "good", "--epochs", "many"],
    /^toeplitz\(train\): option '--epochs <n>' argument 'many' is invalid\. expected a whole number >= 1; received many\./,
  );
  await refuses(["train", "good", "epochs=0"], /expected a whole number >= 1; received 0\./);
  await refuses(["train", "good", "--optimiser", "sdg"], /^fit\(good\): optimiser: expected one of sgd, adam, .*; received sdg\.\n$/);
  await refuses(
    ["train", "good", "--augment", "spin=3"],
    /^augment\(spin=3\): part: expected one of none, digits, photographs, flip, .*; received spin=3\.\n$/,
  );
  await refuses(["train", "good", "--name", "a/b"], "run(a/b): name: expected a folder name without slashes; received a/b.");
  await refuses(["fly"], /^toeplitz\(fly\): .*See --help\.\n$/);
  await refuses(
    ["check", "grid-linera forward"],
    /^check\(grid-linera forward\): operator: expected one of grid-linear, window, .*; received grid-linera\.\n$/,
  );
});

test("model files that are cut short, lengthened, of two nets, or no models", async () => {
  await place.events("train", "good", "--epochs", "1", "--runs", "models", "--name", "own", "--model", "lenet5");
  const file = place.path("models/own/model.safetensors");
  const picture = "good/along/0.png";
  const bytes = readFileSync(file);
  for (const length of [0, 4, 100, bytes.length - 4]) {
    place.write("bad.safetensors", bytes.subarray(0, length));
    await refuses(["predict", "bad.safetensors", picture], /^safetensors\(bad\.safetensors\): /);
  }
  place.write("bad.safetensors", Buffer.concat([bytes, Buffer.alloc(8)]));
  await refuses(
    ["predict", "bad.safetensors", picture],
    /^safetensors\(bad\.safetensors\): data: expected every byte in a tensor; received 8 bytes in none/,
  );
  const { tensors, metadata } = readSafetensors(bytes, file);
  place.write("bad.safetensors", writeSafetensors(tensors));
  await refuses(
    ["evaluate", "bad.safetensors", "good"],
    /^model\(bad\.safetensors\): format: expected "toeplitz model 1" in the metadata; received none\./,
  );
  tensors.delete("11-dense/bias");
  place.write("bad.safetensors", writeSafetensors(tensors, metadata));
  await refuses(
    ["inspect", "bad.safetensors"],
    /^model\(bad\.safetensors\): tensor 11-dense\/bias: expected \[2\]; received none\. The file was put together from two nets\.\n$/,
  );
  await refuses(
    ["predict", "models/none", picture],
    "model(models/none): file: expected a model file, a run folder, or a run in runs; received nothing there.",
  );
  await refuses(
    ["evaluate", "models/own", "demo:digits"],
    /^evaluate\(demo:digits\): shape of the examples: expected \[1, 16, 16\], which the model takes; received \[1, 28, 28\]\.\n/,
  );
  rmSync(place.path("bad.safetensors"));
});

test("predict answers for the good files and names the others", async () => {
  place.write("pictures/text.jpg", "words");
  const { code, stdout, stderr } = await place.call(
    "predict",
    "models/own",
    "good/along/0.png",
    "pictures/text.jpg",
    "nowhere.png",
    "good/across/1.png",
    "--json",
  );
  assert.equal(code, 2);
  assert.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { file: string }).file),
    ["good/along/0.png", "good/across/1.png"],
  );
  assert.match(stderr, /^data\(pictures\/text\.jpg\): picture: .*\ndata\(nowhere\.png\): picture: .*\n$/);
});

test("a run that is there is not written over, and only a run can go on", async () => {
  const before = readFileSync(place.path("models/own/model.safetensors"));
  const argv = ["train", "good", "--epochs", "1", "--runs", "models", "--name", "own"];
  await refuses(
    argv,
    "run(models/own): folder: expected a name that is free; received a run that is kept there. Go on with it by --resume, or choose another --name.",
  );
  assert.deepEqual(readFileSync(place.path("models/own/model.safetensors")), before);
  await refuses(
    ["train", "--resume", "--name", "other"],
    "run(runs/other): folder: expected a run with last.safetensors; received nothing there.",
  );
  await refuses(
    ["train", "--resume"],
    "run(runs): run: expected at least one to go on with; received none. Train first, or name the run by --name.",
  );
  await refuses(
    ["train", "demo:digits", "--resume", "--runs", "models", "--name", "own", "--batch", "9"],
    /^run\(models\/own\): data: expected ".*good", as the run began; received "demo:digits"\. Only epochs and patience may change\.\nrun\(models\/own\): batch: expected the default, as the run began; received 9\. Only epochs and patience may change\.\n$/,
  );
});

test("a checkpoint that is cut short, or of another net, is refused and stays as it is", async () => {
  const last = place.path("models/own/last.safetensors");
  const whole = place.path("models/own/whole.safetensors");
  copyFileSync(last, whole);
  const resume = ["train", "--resume", "--runs", "models", "--name", "own", "--epochs", "2"];
  place.write("models/own/last.safetensors", readFileSync(whole).subarray(0, 3000));
  await refuses(resume, /^safetensors\(models\/own\/last\.safetensors\): /);
  const { tensors, metadata } = readSafetensors(readFileSync(whole), whole);
  tensors.delete("optimiser/first/0-conv/kernel");
  const other = place.write("models/own/last.safetensors", writeSafetensors(tensors, metadata));
  const before = readFileSync(other);
  await refuses(
    resume,
    /^checkpoint\(models\/own\/last\.safetensors\): state optimiser\/first\/0-conv\/kernel: expected \[6,1,5,5\]; received none\. The checkpoint was made for another net or optimiser\.\n$/,
  );
  assert.deepEqual(readFileSync(other), before);
  assert.equal(existsSync(place.path("models/own/.lock")), false);
});

test("a full disk: the run stops, what was written before stays whole, and it goes on when there is room", async (context) => {
  const disk = place.path("disk");
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    return context.skip("a small file system cannot be mounted here");
  }
  try {
    const train = ["train", "good", "--epochs", "4", "--seed", "1", "--runs", "disk", "--name", "full", "--model", "lenet5"];
    const straight = ["train", "good", "--epochs", "4", "--seed", "1", "--runs", "models", "--name", "straight", "--model", "lenet5"];
    const sizeOf = (file: string): number => statSync(place.path("models/own", file)).size;
    // room for a model and one checkpoint, not for a second beside it
    const room = sizeOf("model.safetensors") + 1.5 * sizeOf("last.safetensors");
    place.write("disk/ballast", Buffer.alloc(2 ** 21 - room));
    const { code, stderr } = await place.call(...train);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^file\(disk\/full\/.+\): space: expected room for \d+ bytes; received a full disk \(ENOSPC\)\. .*\n$/);
    const files = readdirSync(place.path("disk/full"));
    assert.ok(files.includes("last.safetensors") && !files.some((name) => name.endsWith(".part") || name === ".lock"), files.join());
    readSafetensors(readFileSync(place.path("disk/full/last.safetensors")), "last");
    rmSync(place.path("disk/ballast"));
    await place.events("train", "--resume", "--runs", "disk", "--name", "full");
    await place.events(...straight);
    assert.deepEqual(
      readFileSync(place.path("disk/full/model.safetensors")),
      readFileSync(place.path("models/straight/model.safetensors")),
    );
    // a disk that is full from the start: nothing is left
    rmSync(place.path("disk/full"), { recursive: true });
    place.write("disk/ballast", Buffer.alloc(2 ** 21 - 2 ** 15));
    assert.equal((await place.call(...train)).code, 2);
    assert.deepEqual(readdirSync(place.path("disk")), ["ballast"]);
  } finally {
    execFileSync("umount", [disk]);
  }
});
