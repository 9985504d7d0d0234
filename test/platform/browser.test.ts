import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { random } from "../../src/base/random.ts";
import { openBrowser, type TestBrowser } from "./browser.ts";

let browser: TestBrowser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

const facts = `
  let shares = true;
  try { new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer; structuredClone(new SharedArrayBuffer(8)); } catch { shares = false; }
  return { isolated: crossOriginIsolated, shares, type: typeof SharedArrayBuffer };`;

test("the isolated page may share memory, the other may not", async () => {
  assert.deepEqual(await browser.run(facts, { isolated: true }), { isolated: true, shares: true, type: "function" });
  assert.deepEqual(await browser.run(facts, { isolated: false }), { isolated: false, shares: false, type: "undefined" });
});

test("a page that fails says why", async () => {
  await assert.rejects(browser.run('throw new Error("no such net");', { isolated: true }), /no such net/);
  await assert.rejects(browser.run('await import("/dist/nowhere.js");', { isolated: true }), /404/);
  await assert.rejects(browser.run("await new Promise(() => {});", { isolated: true, seconds: 0.2 }), /no result in 0.2 s/);
});

test("the page draws the same random bits as Node", async () => {
  const body = `
    const { random } = await import("/dist/index.js");
    const stream = random(7, 1);
    return [...Array.from({ length: 20 }, () => stream.uniform()), stream.integer(0, 999), ...stream.permutation(10)];`;
  const stream = random(7, 1);
  const expected = [...Array.from({ length: 20 }, () => stream.uniform()), stream.integer(0, 999), ...stream.permutation(10)];
  assert.deepEqual(await browser.run(body, { isolated: false }), expected);
});

for (const isolated of [true, false]) {
  test(`the entries of a page load in ${isolated ? "an isolated" : "an ordinary"} page`, async () => {
    const body = `
      const found = {};
      for (const name of ["toeplitz", "toeplitz/ops", "toeplitz/browser"]) found[name] = Object.keys(await import(name)).length;
      return found;`;
    const found = (await browser.run(body, { isolated })) as Record<string, number>;
    assert.equal(Object.keys(found).length, 3);
    for (const [name, count] of Object.entries(found)) assert.ok(count > 0, `${name} exports nothing`);
  });
}
