import assert from "node:assert/strict";
import { test } from "node:test";
import { size } from "../../base/types.ts";
import { traceEvaluation } from "../step.ts";
import { defaultNet, models } from "./index.ts";

function traced(name: string, shape: readonly number[], classes: number) {
  const step = traceEvaluation(models[name](shape, classes), { batch: 2, inputs: { input: { shape } } });
  const { value } = step.graph.outputs[0];
  return {
    step,
    parameters: step.parameters.reduce((sum, { type }) => sum + size(type.shape), 0),
    output: step.graph.values[value].type.shape,
  };
}

test("named models have the parameters of their papers", () => {
  const expected: [string, number[], number, number][] = [
    ["lenet5", [1, 28, 28], 10, 61_706],
    ["resnet20", [3, 32, 32], 10, 272_474],
    ["resnet18", [3, 224, 224], 1000, 11_689_512],
    ["mobilenetv2", [3, 224, 224], 1000, 3_504_872],
  ];
  for (const [name, shape, classes, parameters] of expected) {
    const net = traced(name, shape, classes);
    assert.equal(net.parameters, parameters, name);
    assert.deepEqual(net.output, [2, classes], name);
  }
});

test("residual models take 1, 2 and 3 axes", () => {
  for (const shape of [
    [2, 64],
    [3, 32, 24],
    [1, 16, 16, 16],
  ]) {
    assert.deepEqual(traced("resnet20", shape, 7).output, [2, 7]);
    assert.deepEqual(traced("resnet18", shape, 7).output, [2, 7]);
  }
});

test("the default net fits any data of 1 to 3 axes, and stays small", () => {
  for (const shape of [
    [1, 28, 28],
    [3, 64, 64],
    [3, 32, 32],
    [1, 8000],
    [1, 100],
    [9, 128],
    [1, 28, 28, 28],
    [1, 16, 64, 64],
    [1, 5],
    [2, 1, 1],
    [3, 224, 224],
    [1, 4, 300],
  ]) {
    const { output, parameters } = traced("default", shape, 5);
    assert.deepEqual(output, [2, 5]);
    assert.ok(parameters < 1_000_000, `${shape.join("x")}: ${parameters}`);
  }
  assert.throws(() => defaultNet([3], 5), /defaultNet: shape of an example: expected \[channels, 1 to 3 extents\]; received \[3\]/);
});
