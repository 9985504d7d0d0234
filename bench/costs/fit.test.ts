import assert from "node:assert/strict";
import { test } from "node:test";
import { predictBy } from "../../src/plan/costs.ts";
import { fitEntry, fitTable, judge, type Sample } from "./fit.ts";

const line = (scale: number, fixed: number): Sample[] =>
  [1e3, 1e4, 3e4, 1e5, 2e5, 1e6].map((estimate) => ({ id: "a", estimate, measured: fixed + scale * estimate }));

test("scale and fixed part are found, whatever a few disturbed samples say", () => {
  assert.deepEqual(fitEntry(line(1.5, 1000)), [1.5, 1000]);
  assert.deepEqual(fitEntry(line(0.8, 0)), [0.8, 0]);
  const disturbed = line(1.5, 1000).map((sample, i) => (i === 4 ? { ...sample, measured: 7 * sample.measured } : sample));
  assert.deepEqual(fitEntry(disturbed), [1.5, 1000]);
});

test("few samples make no entry, and of several layouts the fastest counts", () => {
  const nodes = line(2, 0).map((sample) => [sample, { ...sample, measured: 3 * sample.measured }]);
  assert.deepEqual(fitTable(nodes), { a: [2, 0] });
  assert.deepEqual(fitTable(nodes.slice(0, 2)), {});
});

test("a prediction stays above zero", () => {
  assert.equal(predictBy([1, -2000], 1000), 250);
  assert.equal(predictBy(undefined, 1000), 1000);
});

test("a table is judged by the measured time of what it chooses", () => {
  const node = (a: number, b: number): Sample[] => [
    { id: "a", estimate: 100, measured: a },
    { id: "b", estimate: 150, measured: b },
  ];
  const nodes = [node(100, 200), node(300, 150), node(100, 101)];
  const { nodes: count, right, loss } = judge({}, nodes);
  assert.deepEqual([count, right, loss], [3, 2, 500 / 350]);
  assert.equal(judge({ a: [2, 0] }, nodes).right, 2);
});
