import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReportData } from "../../src/train/report/data.ts";
import { renderReport } from "../../src/train/report/report.ts";
import { confusion, epochs, sampleReport } from "./report-sample.ts";

const sample = sampleReport();
const page = renderReport(sample);

/** The part of a page with this id. */
function part(text: string, id: string): string {
  const found = new RegExp(`<section id="${id}"[\\s\\S]*?</section>`).exec(text);
  assert.ok(found !== null, `no part called ${id}`);
  return found[0];
}

/** A page without its pictures' bytes and its style, which may spell anything. */
const words = (text: string): string => text.replace(/base64,[^"]*/g, "").replace(/<style>[\s\S]*?<\/style>/, "");

/** No match of the pattern; says what was found, not the whole page. */
function lacks(text: string, pattern: RegExp): void {
  assert.deepEqual(text.match(pattern)?.[0], undefined);
}

const rows = (text: string): number => text.match(/<tr>/g)?.length ?? 0;

test("every part is there, and the links at the top lead to parts", () => {
  for (const id of ["summary", "curves", "confusion", "classes", "mistakes", "rights", "kernels", "layers", "repeat"]) part(page, id);
  const links = [...page.matchAll(/<a href="#([^"]+)">/g)].map(([, id]) => id);
  assert.deepEqual(links, ["curves", "confusion", "classes", "mistakes", "kernels", "layers", "repeat"]);
  for (const id of links) part(page, id);
});

test("the page asks for nothing from outside and runs nothing", () => {
  lacks(page.replace(/base64,[^"]*/g, ""), /https?:|\/\/[a-z]|@import|url\((?!#)|<script|<link|<iframe|javascript:|\son\w+=/i);
  for (const [, source] of page.matchAll(/\s(?:src|href)="([^"]*)"/g)) assert.match(source, /^(?:data:image\/png;base64,|#)/);
  assert.ok(page.includes('content="default-src &#39;none&#39;; img-src data:;'));
});

test("the summary: accuracy, best epoch, size, work, time, notes", () => {
  const summary = part(page, "summary");
  const right = confusion(10).reduce((sum, row, index) => sum + row[index], 0);
  const total = confusion(10)
    .flat()
    .reduce((sum, cell) => sum + cell, 0);
  for (const text of [
    `${((100 * right) / total).toFixed(2)}\u00a0%`,
    `${right.toLocaleString("en")} of ${total.toLocaleString("en")} right`,
    "11 of 12",
    "13.6 k",
    "2.83 M",
    "per epoch",
    "2 broken pictures were left out",
  ]) {
    assert.ok(summary.includes(text), `${text} is not in the summary`);
  }
});

test("the curves: a chart each, in the page's colours, with numbers at the points and in a table", () => {
  const curves = part(page, "curves");
  assert.deepEqual(
    [...curves.matchAll(/<figcaption>([^<]+)/g)].map(([, title]) => title),
    ["Loss", "Accuracy", "Learning rate"],
  );
  assert.equal(curves.match(/<svg viewBox="[^"]+" role="img" aria-label="[^"]+ over 12 epochs: /g)?.length, 3);
  assert.match(curves, /<title>epoch 1: train 1\.\d+<\/title>/);
  assert.match(curves, /<title>epoch 12: validation \d\d\.\d\d\u00a0%<\/title>/);
  assert.equal(curves.match(/<title>/g)?.length, 12 * 5);
  assert.ok(curves.includes("best: 11"));
  assert.equal(rows(curves), 13);
});

test("every colour of the charts is a variable of the page, so that dark and light are followed", () => {
  for (const [, svg] of part(page, "curves").matchAll(/<svg([\s\S]*?)<\/svg>/g)) {
    for (const [, text] of svg.matchAll(/<text[^>]* fill="([^"]+)"/g)) assert.match(text, /^var\(--/);
    for (const [, stroke] of svg.matchAll(/ stroke="([^"]+)"(?! stroke-width="0")/g)) assert.match(stroke, /^var\(--/);
    assert.doesNotMatch(svg, /ecmeta|zr\d|<style/);
  }
  const used = new Set([...page.matchAll(/var\((--[a-z]+)\)/g)].map(([, name]) => name));
  used.delete("--share");
  const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? "";
  const [light, dark] = style.split("prefers-color-scheme: dark");
  for (const name of used) for (const scheme of [light, dark.slice(0, 500)]) assert.ok(scheme.includes(`${name}:`), `${name} has no value`);
});

test("the confusion matrix: every count, headers for rows and columns, a sentence at each cell", () => {
  const matrix = part(page, "confusion");
  for (const [given, row] of confusion(10).entries()) {
    const total = row.reduce((sum, count) => sum + count, 0);
    for (const [predicted, count] of row.entries()) {
      if (count > 0) assert.ok(matrix.includes(`data-tip="${given} predicted as ${predicted}: ${count} of ${total} (`));
    }
  }
  assert.equal(matrix.match(/<td class="(?:none|right|wrong)[^"]*"/g)?.length, 100);
  assert.equal(matrix.match(/<th scope="row">/g)?.length, 10 + 8);
});

test("the scores per class: one row each and the mean", () => {
  const classes = part(page, "classes");
  assert.equal(rows(classes), 1 + 10 + 1);
  const zero = confusion(10)[0];
  assert.ok(classes.includes(`${((100 * zero[0]) / zero.reduce((sum, count) => sum + count, 0)).toFixed(2)}\u00a0%`));
});

test("pictures have words: class given, class predicted, probability, file", () => {
  const mistakes = part(page, "mistakes");
  assert.equal(mistakes.match(/<img /g)?.length, 10);
  assert.ok(mistakes.includes('alt="Example test/3/digit-00111.png: given 3, predicted 4 (90.0\u00a0%)"'));
  assert.equal(part(page, "rights").match(/<img /g)?.length, 8);
  assert.equal(part(page, "kernels").match(/<img [^>]*alt="Kernel: \d+, max 0\.\d+"/g)?.length, 16);
  for (const [tag] of page.matchAll(/<img [^>]*>/g)) assert.match(tag, / alt="[^"]+"/);
});

test("the table of layers, with totals", () => {
  const layers = part(page, "layers");
  assert.equal(rows(layers), 1 + sample.layers.length + 1);
  for (const text of ["3.conv", "[32, 14, 14]", "12,832", "2,508,800", "14 x 14", "13,578", "2,828,992"])
    assert.ok(layers.includes(text), text);
  const bare = part(renderReport({ ...sample, layers: sample.layers.map(({ receptiveField, ...rest }) => rest) }), "layers");
  assert.ok(!bare.includes("Receptive field"));
});

test("measured layers: bytes, times with their share, and what is computed together", () => {
  const [first, second, ...others] = sample.layers;
  const measured = {
    ...sample,
    measured: { session: "wasm wide, 2 threads", ns: 40_700 },
    layers: [
      { ...first, cost: { bytes: 48_600, ns: 30_000, includes: [second.path] } },
      { ...second, cost: { bytes: 0, ns: 0, includes: [], within: first.path } },
      ...others.map((layer) => ({ ...layer, cost: { bytes: 1000, ns: 10_000 / others.length, includes: [] } })),
    ],
  };
  const layers = part(renderReport(measured), "layers");
  assert.match(layers, /a whole run takes 40\.7 us with wasm wide, 2 threads/);
  assert.match(layers, /--share: 75%">30\.0 us<\/td>/);
  assert.match(layers, /<code>0\.conv<\/code>[^\n]*>48\.6 kB<[^\n]*<td class="fused">with <code>1\.relu<\/code>/);
  assert.match(
    layers,
    /<code>1\.relu<\/code>[^\n]*<td class="number soft">–<\/td><td class="number soft">–<\/td>[^\n]*in <code>0\.conv<\/code>/,
  );
  assert.match(layers, />40\.0 us<\/td>/);
  assert.ok(!part(page, "layers").includes("Fused"));
});

test("what repeats the run: command, seed, settings, environment", () => {
  const repeat = part(page, "repeat");
  for (const text of [sample.command, "Seed: <b>1</b>", "shift 2, rotate 10", "{&quot;name&quot;:&quot;sgd&quot;", "v24.21.0", "256-bit"]) {
    assert.ok(repeat.includes(text), text);
  }
});

test("equal data give equal text", () => {
  assert.equal(renderReport(sampleReport()), page);
});

test("whatever the user gives is escaped, everywhere", () => {
  const evil = `</style><script>alert("x")</script><img src=x onerror='y'>&`;
  const record = { [evil]: evil, list: [evil], nested: { [evil]: evil } };
  const example = { ...sample.mistakes[0], file: evil, given: evil, predicted: evil };
  const text = renderReport({
    ...sample,
    name: evil,
    command: evil,
    date: evil,
    settings: record,
    environment: record,
    classes: sample.classes.map(() => evil),
    mistakes: [example],
    rights: [example],
    kernels: [{ ...sample.kernels[0], caption: evil }],
    layers: [{ path: evil, kind: evil, output: evil, parameters: 1, multiplyAdds: 1, receptiveField: evil }],
    notes: [evil],
  });
  lacks(text, /<script|<img src=x|onerror='/);
  assert.equal(text.match(/<\/style>/g)?.length, 1);
  assert.ok(text.split("&lt;script&gt;").length > 40);
  const quoted = text.replace(/<style>[\s\S]*?<\/style>/, "").match(/="[^"]*"/g) ?? [];
  for (const value of quoted) assert.doesNotMatch(value, /[<>]/);
});

test("a regression: loss in the place of accuracy, no classes", () => {
  const regression: ReportData = {
    ...sample,
    task: "regression",
    classes: [],
    test: { loss: 0.0123, count: 98 },
    epochs: sample.epochs.map(({ trainAccuracy, validationAccuracy, ...rest }) => rest),
    mistakes: [{ given: "1.5", predicted: "1.9", picture: sample.mistakes[0].picture }],
  };
  const text = renderReport(regression);
  assert.match(part(text, "summary"), /Test loss<\/dt><dd class="value">0\.0123</);
  assert.match(part(text, "mistakes"), /Largest errors[\s\S]*given <b>1\.5<\/b><br>predicted <b>1\.9<\/b><\/li>/);
  lacks(text, /id="confusion"|id="classes"|>Accuracy</);
});

test("a run that ended before its test, without pictures, with losses that are no numbers", () => {
  const bare = renderReport({
    ...sample,
    test: undefined,
    mistakes: [],
    rights: [],
    kernels: [],
    layers: [],
    notes: [],
    epochs: epochs(3).map((epoch, index) => ({ ...epoch, trainLoss: index === 1 ? Number.NaN : epoch.trainLoss })),
    bestEpoch: 3,
  });
  assert.match(part(bare, "summary"), /not made/);
  lacks(words(bare), /NaN|undefined|id="(?:confusion|classes|mistakes|kernels|layers)"/);
  const none = renderReport({ ...sample, epochs: [], settings: {}, environment: {} });
  lacks(words(none), /id="curves"|NaN|undefined/);
});

test("no mistake at all is said so", () => {
  const matrix = confusion(10).map((row, given) => row.map((count, predicted) => (given === predicted ? count : 0)));
  const count = matrix.flat().reduce((sum, cell) => sum + cell, 0);
  const text = renderReport({ ...sample, mistakes: [], test: { accuracy: 1, loss: 0, confusion: matrix, count } });
  assert.ok(part(text, "mistakes").includes(`No mistake among ${count.toLocaleString("en")} test examples.`));
});

test("many classes: the matrix as a picture, the pairs and the scores as tables", () => {
  const names = Array.from({ length: 60 }, (_, index) => `class ${index}`);
  const text = renderReport({ ...sample, classes: names, test: { accuracy: 0.9, loss: 1, confusion: confusion(60), count: 12_000 } });
  assert.match(part(text, "confusion"), /<img [^>]*alt="Confusion matrix of 60 classes/);
  assert.equal(rows(part(text, "confusion")), 1 + 8);
  assert.equal(rows(part(text, "classes")), 1 + 60 + 1);
});
