import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Workplace, writeStripes } from "./command.ts";

const place = new Workplace();
after(() => place.remove());
let end: Record<string, unknown>;
before(async () => {
  writeStripes(place, "stripes", 40);
  writeStripes(place, "divided/train", 12);
  writeStripes(place, "divided/val", 6);
  end = (await place.events("train", "stripes", "--model", "lenet5", "--epochs", "4", "--batch", "8", "--seed", "1", "--name", "own")).at(
    -1,
  ) as typeof end;
});

test("predict prints one object per file: file, class, probabilities", async () => {
  for (const model of ["own", "runs/own", "runs/own/model.safetensors"]) {
    const answers = await place.events("predict", model, "stripes/along/0.png", "stripes/across/1.png");
    assert.deepEqual(
      answers.map(({ file, class: name }) => [file, name]),
      [
        ["stripes/along/0.png", "along"],
        ["stripes/across/1.png", "across"],
      ],
    );
    for (const answer of answers) {
      assert.deepEqual(Object.keys(answer), ["file", "class", "probabilities"]);
      const { across, along } = answer.probabilities as { across: number; along: number };
      assert.ok(Math.abs(across + along - 1) < 1e-9);
    }
  }
  const { lines } = await place.call("predict", "own", "stripes/along/0.png", "--top", "1");
  assert.match(lines[0], /^stripes\/along\/0\.png: along \d+\.\d %$/);
});

test("a model file needs nothing else: it predicts where there is no run, no data, no net", async () => {
  const elsewhere = new Workplace();
  try {
    elsewhere.write("m.safetensors", readFileSync(place.path("runs/own/model.safetensors")));
    elsewhere.write("p.png", readFileSync(place.path("stripes/along/3.png")));
    const [answer] = await elsewhere.events("predict", "m.safetensors", "p.png");
    assert.equal(answer.class, "along");
  } finally {
    elsewhere.remove();
  }
});

test("evaluate scores the part that is asked for, with the model's classes", async () => {
  const [all] = await place.events("evaluate", "own", "stripes");
  assert.deepEqual([all.part, all.count], ["all", 80]);
  const [parts] = await place.events("evaluate", "own", "divided");
  assert.deepEqual([parts.part, parts.count], ["test", 12]);
  const [trained] = await place.events("evaluate", "own", "divided", "--part", "train");
  assert.equal(trained.count, 24);
  for (const one of [all, parts, trained]) {
    assert.ok((one.accuracy as number) > 0.9, JSON.stringify(one));
    const confusion = one.confusion as number[][];
    assert.equal(
      confusion.flat().reduce((a, b) => a + b, 0),
      one.count,
    );
    assert.ok(Math.abs((confusion[0][0] + confusion[1][1]) / (one.count as number) - (one.accuracy as number)) < 1e-12);
  }
  const { lines } = await place.call("evaluate", "own", "divided");
  assert.match(lines.at(-1) as string, /^accuracy: \d+\.\d\d %$/);
  assert.ok(
    lines.some((line) => /^across +\d+\.\d % +\d+\.\d %/.test(line)),
    lines.join("\n"),
  );
});

test("evaluate finds on the test part what train found", async () => {
  await place.events("train", "demo:digits:500", "--model", "lenet5", "--epochs", "1", "--name", "digits", "--seed", "1");
  const events = await place.events("train", "--resume", "--name", "digits");
  const found = (events.at(-1) as { test: { accuracy: number; loss: number } }).test;
  const [score] = await place.events("evaluate", "digits", "demo:digits:500");
  assert.equal(score.accuracy, found.accuracy);
  assert.ok(Math.abs((score.loss as number) - found.loss) < 1e-4);
});

test("classes are known by their names, not by their order", async () => {
  writeStripes(place, "renamed", 4);
  place.write("renamed/aaa/0.png", readFileSync(place.path("stripes/along/0.png")));
  const { code, stderr } = await place.call("evaluate", "own", "renamed");
  assert.equal(code, 2);
  assert.equal(
    stderr,
    "evaluate(renamed): classes: expected those of the model: across, along; received aaa. The model cannot give them.\n",
  );
});

test("inspect and explain read models by name, runs and files", async () => {
  const { lines } = await place.call("inspect", "lenet5");
  assert.match(lines[1], /^layer +kind +output +parameters +multiply-adds +sees +step +from$/);
  assert.match(lines[3], /^0-conv +conv +\[6, 28, 28\] +156 +112,440 +5 x 5 +1 x 1 +-2 x -2$/);
  assert.match(lines.at(-1) as string, /^61,706 parameters, /);
  const [own] = await place.events("inspect", "own");
  assert.equal((own.inputs as { shape: number[] }[])[0].shape.join(), "1,16,16");
  assert.equal((own.layers as { path: string }[])[0].path, "0-conv");
  const [other] = await place.events("inspect", "default", "--input", "2x100", "--classes", "4");
  assert.equal((other.layers as { output: string }[]).at(-1)?.output, "[4]");
  for (const argv of [["lenet5"], ["own"], ["lenet5", "--training", "--batch", "4"], ["lenet5", "--profile", "--threads", "1"]]) {
    const { code, stdout, stderr } = await place.call("explain", ...argv);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^tier \w+: \d+ nodes/);
    assert.match(stdout, /grid-linear forward/);
    if (argv.includes("--training")) assert.match(stdout, /grid-linear kernel/);
    if (argv.includes("--profile")) assert.match(stdout, /measured/);
  }
});

test("check runs a problem line on every algorithm that takes it", async () => {
  const line = "grid-linear forward n2 ci3 co5 g1 | i9 k3 s2 d1 p1:1 t1 zero";
  const results = await place.events("check", line);
  const held = results.filter(({ holds }) => holds);
  assert.ok(
    held.some(({ algorithm }) => algorithm === "wasm-grid-linear-general"),
    JSON.stringify(results),
  );
  for (const { integerGap, realGap } of held) assert.ok(integerGap === 0 && (realGap as number) <= 1);
  assert.ok(results.every(({ holds, refusal }) => holds === true || typeof refusal === "string"));
  const { code, lines } = await place.call("check", line);
  assert.equal(code, 0);
  assert.match(
    lines.join("\n"),
    /^ok +wasm-grid-linear-general: integers exact; real numbers within [\d.e-]+ of the bound; the same bits with 2 threads$/m,
  );
});

test("matrix prints a problem as its matrix and writes it to files", async () => {
  const line = "grid-linear forward n1 ci1 co1 g1 | i4 k2 s1 d1 p0:0 t1 zero";
  const { code, lines } = await place.call("matrix", line);
  assert.equal(code, 0);
  assert.deepEqual(lines.slice(0, 5), [line, "k0 k1  .  .", " . k0 k1  .", " .  . k0 k1", "3 x 4: Toeplitz"]);
  const [counts] = await place.events("matrix", line, "--kernel", "5,-1", "--mtx", "m.mtx", "--svg", "m.svg", "--npz", "m.npz");
  assert.deepEqual([counts.nonZeros, counts.distinct], [6, 2]);
  assert.match(readFileSync(place.path("m.mtx"), "utf8"), /^3 4 6\n1 1 5\n1 2 -1\n/m);
  assert.match(readFileSync(place.path("m.svg"), "utf8"), /^<svg /);
  assert.equal(readFileSync(place.path("m.npz")).subarray(0, 2).toString(), "PK");
  const wrong = await place.call("matrix", line, "--kernel", "5");
  assert.deepEqual([wrong.code, wrong.stderr], [2, "inspect(matrix): numbers of K: expected 2; received 1.\n"]);
});

test("help names every command, and says what train takes", async () => {
  const { code, stdout } = await place.call("--help");
  assert.equal(code, 0);
  for (const name of ["train", "evaluate", "predict", "inspect", "explain", "matrix", "check"])
    assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  assert.match((await place.call("train", "--help")).stdout, /--resume/);
  assert.match((await place.call("--version")).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal((await place.call()).code, 0);
});
