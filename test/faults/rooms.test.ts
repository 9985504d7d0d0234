import assert from "node:assert/strict";
import { test } from "node:test";
import type { Operator } from "../../src/ops/contract.ts";
import { type GridLinearOptions, type GridLinearPlan, gridLinear, optionsOf } from "../../src/ops/grid-linear/index.ts";
import { brokenAdjoint, type Linear } from "../laws/adjoint.ts";
import { checkOperator, normals } from "../ops/evaluate.ts";

type Room = Operator<GridLinearPlan, GridLinearOptions>;

const turned = (plan: GridLinearPlan): GridLinearPlan => ({ ...plan, flip: !plan.flip });
const plan = gridLinear.parse("grid-linear forward n2 ci2 co3 g1 | i6x5 k3x2 s1 d1 p1:1x0:1 t1 zero");

/** Checks of a room: line, types, slopes of first and second order; then the adjoint law. */
function check(room: Room): void {
  checkOperator(
    room,
    plan,
    (own) => optionsOf(own, own.role),
    (own, draws) => normals(room.inputs(own), draws),
    5,
  );
  const own: Linear = { operator: room as Operator, room: "grid-linear", options: () => optionsOf(plan, plan.role) };
  assert.equal(brokenAdjoint(own, plan), null);
}

const faults: readonly (readonly [name: string, room: Room, error: RegExp])[] = [
  [
    "a gradient with its taps in the opposite order",
    { ...gridLinear, gradient: (own, node, given) => gridLinear.gradient(turned(own), node, given) },
    /gradient of input/,
  ],
  [
    "a gradient that is left out",
    {
      ...gridLinear,
      gradient: (own, node, [given]) => gridLinear.gradient(own, node, [given]).map((slope, i) => (i === 0 ? slope : undefined)),
    },
    /gradient of input 1/,
  ],
  [
    "an oracle whose forward pass turns the taps",
    { ...gridLinear, reference: (own, inputs) => gridLinear.reference(own.role === "forward" ? turned(own) : own, inputs) },
    /gradient of input/,
  ],
  ["a line that does not tell the padding", { ...gridLinear, line: (own) => gridLinear.line(own).replace(/ p\S+/, " p0:0") }, /p0:0/],
  [
    "a plan that forgets the padding",
    { ...gridLinear, plan: (options, inputs) => gridLinear.plan({ ...options, padding: 0 }, inputs) },
    /planned again/,
  ],
];

test("the sound room keeps its laws", () => check(gridLinear as Room));

for (const [name, room, error] of faults) {
  test(`the laws see it: ${name}`, () => {
    assert.throws(() => check(room), { message: error });
  });
}

test("the adjoint law sees an oracle that is not linear in step with its gradient", () => {
  const room: Room = {
    ...gridLinear,
    reference: (own, inputs) =>
      gridLinear.reference(own, inputs).map((cells) => (own.role === "forward" ? cells.map((cell) => 1.001 * cell) : cells)),
  };
  const own: Linear = { operator: room as Operator, room: "grid-linear", options: () => optionsOf(plan, plan.role) };
  assert.match(brokenAdjoint(own, plan) ?? "", /<x0, gradient> is .* expected/);
});
