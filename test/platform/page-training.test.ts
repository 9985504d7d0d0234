import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser, type TestBrowser } from "./browser.ts";
import { assertTrained, bitsOf, oracle, steps } from "./expected.ts";
import { type SmallResult, type SmallTraining, trainingBody } from "./small-training.ts";

let browser: TestBrowser;
let expected: SmallResult;
before(async () => {
  [browser, expected] = await Promise.all([openBrowser(), oracle()]);
});
after(() => browser.close());

const body = (asked: readonly SmallTraining[]): string => `${trainingBody("toeplitz", "toeplitz/browser", asked)}\nreturn results;`;

const train = async (isolated: boolean, asked: readonly SmallTraining[], first = ""): Promise<SmallResult[]> =>
  (await browser.run(`${first}\n${body(asked)}`, { isolated })) as SmallResult[];

test("an isolated page trains on threads, with the same bits for 1 and 2 of them on every tier", async () => {
  const tiers = ["relaxed", "plain"] as const;
  const asked = tiers.flatMap((tier) => [1, 2].map((threads) => ({ steps, tier, threads })));
  const found = await train(true, [{ steps, threads: 2 }, ...asked]);
  assert.deepEqual(
    found.map(({ description }) => description),
    ["wasm relaxed, 2 threads", "wasm relaxed, 1 thread", "wasm relaxed, 2 threads", "wasm plain, 1 thread", "wasm plain, 2 threads"],
  );
  for (const one of found) assertTrained(one, expected);
  assert.deepEqual(bitsOf(found[1]), bitsOf(found[0]));
  assert.deepEqual(bitsOf(found[2]), bitsOf(found[0]));
  assert.deepEqual(bitsOf(found[4]), bitsOf(found[3]));
});

test("an ordinary page trains on one thread whatever it asks for, with the bits of the isolated page", async () => {
  const [found] = await train(false, [{ steps, threads: 2 }]);
  assert.equal(found.description, "wasm relaxed, 1 thread");
  assertTrained(found, expected);
  const [isolated] = await train(true, [{ steps, threads: 2 }]);
  assert.deepEqual(bitsOf(found), bitsOf(isolated));
});

for (const [how, isolated, first] of [
  ["do not exist", false, "delete globalThis.Worker;"],
  ["may not be made", true, 'globalThis.Worker = class { constructor() { throw new Error("forbidden"); } };'],
  [
    "cannot load",
    true,
    'const Real = Worker; globalThis.Worker = class extends Real { constructor() { super("/dist/nowhere.js", { type: "module" }); } };',
  ],
] as const) {
  test(`where workers ${how}, the page trains by itself on one thread`, async () => {
    const noted = "const warnings = []; console.warn = (text) => warnings.push(text);";
    const whole = `${noted} ${first} ${trainingBody("toeplitz", "toeplitz/browser", [{ steps, threads: 2 }])} return [results[0], warnings];`;
    const [found, warnings] = (await browser.run(whole, { isolated })) as [SmallResult, string[]];
    assert.equal(found.description, "wasm relaxed, 1 thread");
    assertTrained(found, expected);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^toeplitz: the session's worker could not start \(.+\): the page itself computes, on one thread\.$/);
  });
}

/** Body of a page that runs a module in a worker of its own and returns what it posts. A worker has no import map. */
const inWorker = (module: string): string => `
  const source = ${JSON.stringify(module)}.replaceAll("/dist/", location.origin + "/dist/");
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return await new Promise((resolve, reject) => {
    const worker = new Worker(address, { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });`;

test("in a worker of the user's own the session runs there, with its threads", async () => {
  const module = `${trainingBody("/dist/index.js", "/dist/browser.js", [{ steps, threads: 2 }])}\npostMessage(results);`;
  for (const [isolated, threads] of [
    [true, "2 threads"],
    [false, "1 thread"],
  ] as const) {
    const [found] = (await browser.run(inWorker(module), { isolated })) as SmallResult[];
    assert.equal(found.description, `wasm relaxed, ${threads}`);
    assertTrained(found, expected);
  }
});

/** Beginning of a body with a program that takes a while: a convolution of 64 channels with 64. */
const largeProgram = `
  const toeplitz = await import("toeplitz");
  const { open } = await import("toeplitz/browser");
  const net = toeplitz.conv(64, { kernel: 5, padding: "same" });
  const step = toeplitz.traceEvaluation(net, { batch: 8, inputs: { input: { shape: [64, 48, 48] } } });
  const session = await open({ threads: 2 });
  const program = await session.compile(step.graph);
  await toeplitz.initialise(session, [step], 1);
  const input = new Float32Array(8 * 64 * 48 * 48).fill(1);`;

test("the page goes on while a session computes", async () => {
  const result = (await browser.run(
    `${largeProgram}
    await program.run({ input });
    let running = true;
    const finished = program.run({ input }).then(() => { running = false; });
    let turns = 0;
    while (running) { await new Promise((resolve) => setTimeout(resolve)); turns++; }
    await finished;
    const { output } = await program.run({ input: input.subarray(0, input.length / 8) }, 1);
    return { turns, shape: output.shape, cells: output.data.length, buffer: output.data.buffer.byteLength };`,
    { isolated: true },
  )) as { turns: number; shape: number[]; cells: number; buffer: number };
  assert.ok(result.turns > 5, `${result.turns} turns of the page's event loop during a run`);
  assert.deepEqual({ ...result, turns: 0 }, { turns: 0, shape: [1, 64, 48, 48], cells: 64 * 48 * 48, buffer: 4 * 64 * 48 * 48 });
});

test("errors reach the page as they are, and closing ends the workers", async () => {
  const page = await browser.newPage(true);
  const found = (await page.evaluate(`(async () => {
    ${largeProgram}
    globalThis.session = session;
    const of = (promise) => promise.then(() => null, (error) => ({
      own: error instanceof toeplitz.ToeplitzError, name: error.name, message: error.message, room: error.room, where: error.where,
      problems: error.problems,
    }));
    return [await of(program.run({})), await of(session.read("nothing")), await of(open({ threads: 0, tier: "none" }))];
  })()`)) as ({ own: boolean; message: string; problems: { what: string }[] } | null)[];
  assert.deepEqual(
    found.map((error) => error?.own),
    [true, true, true],
  );
  assert.equal(found[0]?.message, "program(run): feed input: expected [n<=8,64,48,48]; received nothing. Fed were none.");
  assert.equal(found[0]?.problems[0].what, "feed input");
  assert.match(found[1]?.message ?? "", /^session\(state\): name of a state: expected .*kernel.*; received nothing\.$/);
  assert.equal(
    found[2]?.message,
    "session(open): threads: expected an integer from 1 to 1024; received 0.\nsession(open): tier: expected wide, relaxed, plain; received none.",
  );
  assert.ok(page.workers().length >= 1);
  const closed = page.evaluate(`(async () => {
    await session.close();
    return session.read("nothing").catch((error) => error.message);
  })()`);
  assert.equal(await closed, "session: session: expected open; received closed.");
  for (let wait = 0; wait < 100 && page.workers().length > 0; wait++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(page.workers().length, 0);
  await page.close();
});

test("a page fits a net to digits that it draws itself, and reads the model's bytes again", async () => {
  const found = (await browser.run(
    `const { conv, dense, digits, fit, flatten, loadModel, maxPool, relu, sequential } = await import("toeplitz/browser");
    const net = sequential(conv(8, { kernel: 5 }), relu(), maxPool(4), flatten(), dense(10));
    const { model, test } = await fit(net, await digits({ train: 1000, test: 200 }), { epochs: 8, seed: 1, threads: 2 });
    const again = loadModel(model.encode(), { threads: 2 });
    const input = new Float32Array(28 * 28).fill(0.5);
    const predicted = [await model.predict(input), await again.predict(input)];
    const saved = await model.save("digits.safetensors").catch((error) => error.message);
    await Promise.all([model.close(), again.close()]);
    return { accuracy: test.accuracy, predicted, saved };`,
    { isolated: true },
  )) as { accuracy: number; predicted: [{ class: string }[], { class: string }[]]; saved: string };
  assert.ok(found.accuracy > 0.4, `test accuracy ${found.accuracy}`);
  assert.deepEqual(found.predicted[1], found.predicted[0]);
  assert.match(found.predicted[0][0].class, /^\d$/);
  assert.equal(
    found.saved,
    "model(digits.safetensors): place to save to: expected a file of Node; received a page. Offer the bytes of encode() as a download.",
  );
});
