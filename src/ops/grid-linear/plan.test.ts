import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../base/random.ts";
import { axisTerms } from "../../grid/axis.ts";
import { gridLinear } from "./index.ts";
import { connectedPairs } from "./plan.ts";

test("cost counts the terms and pairs that the reference walks", () => {
  for (let seed = 0; seed < 500; seed++) {
    const plan = gridLinear.sample(random(seed));
    const terms = plan.axes.reduce((product, axis) => product * axisTerms(axis).length, 1);
    const expected = plan.examples * connectedPairs(plan).length * terms;
    assert.equal(gridLinear.cost(plan).multiplyAdds, expected, gridLinear.line(plan));
  }
});
