import { size } from "../../src/base/types.ts";
import { type Expression, type Operator, operand } from "../../src/ops/contract.ts";
import { compile } from "../../src/ops/expression/evaluate.ts";
import { expand, schedule } from "../../src/ops/expression/schedule.ts";
import { table } from "../../src/ops/expression/table.ts";
import { operandMap, type PointwisePlan } from "../../src/ops/pointwise/index.ts";

/** Unit roundoff of f32. */
export const epsilon = 2 ** -24;

/** How far an f32 result may be from the oracle, cell by cell: nothing here is picked by hand. */
export type Bound = (plan: unknown, inputs: readonly Float64Array[], expected: readonly Float64Array[]) => Float64Array[];

/** eps (4 + sqrt n) M for sums of products: M is the oracle on absolute values, n the terms of a cell. */
const linear =
  (operator: Operator, terms: (plan: unknown) => number): Bound =>
  (plan, inputs) => {
    const absolute = operator.reference(
      plan,
      inputs.map((cells) => cells.map(Math.abs)),
    );
    const factor = epsilon * (4 + Math.sqrt(terms(plan)));
    return absolute.map((cells) => cells.map((cell) => factor * cell));
  };

/** Two-pass moments: the mean is a sum; each deviation from it carries the rounding of x itself. */
const statistics =
  (operator: Operator): Bound =>
  (plan, inputs, [mean, variance]) => {
    const n = size(operator.inputs(plan)[0].shape) / Math.max(1, mean.length);
    const factor = epsilon * (4 + Math.sqrt(n));
    const largest = inputs[0].reduce((most, cell) => Math.max(most, Math.abs(cell)), 0);
    return [
      mean.map(() => factor * largest),
      variance.map((cell) => factor * (cell + 2 * Math.sqrt(cell) * largest * 0.1 + largest * largest * epsilon)),
    ];
  };

/** Error of a formula by propagation: what each function adds (its ulps), and what its slopes pass on. */
function propagate(expression: Expression): (given: ArrayLike<number>) => number {
  const steps = schedule(expand(expression)).map((step) => {
    if (step.kind !== "call") return { step, slopes: [] as ((cells: ArrayLike<number>) => number)[] };
    const row = table.get(step.name);
    const slopes =
      row === undefined
        ? []
        : row
            .slope(
              step.inputs.map((_, i) => operand(i)),
              operand(step.inputs.length),
            )
            .map((slope) => compile(slope));
    return { step, slopes };
  });
  return (given) => {
    const values: number[] = [];
    const errors: number[] = [];
    for (const { step, slopes } of steps) {
      if (step.kind === "operand") {
        values.push(given[step.index]);
        errors.push(Math.abs(given[step.index]) * epsilon * 0);
        continue;
      }
      if (step.kind === "constant") {
        values.push(step.value);
        errors.push(Math.abs(step.value) * epsilon);
        continue;
      }
      const row = table.get(step.name);
      const inputs = step.inputs.map((index) => values[index]);
      const value = row === undefined ? Number.NaN : row.value(...inputs);
      const passed = slopes.reduce((sum, slope, i) => {
        const own = errors[step.inputs[i]];
        return own === 0 ? sum : sum + Math.abs(slope([...inputs, value])) * own;
      }, 0);
      values.push(value);
      errors.push(passed + 2 * (row?.ulps ?? 0) * epsilon * Math.abs(value) + (row?.ulps === 0 ? 0 : 2 ** -149));
    }
    return 1.01 * errors[errors.length - 1];
  };
}

const pointwise: Bound = (plan, inputs, [expected]) => {
  const { operands, expression, output } = plan as PointwisePlan;
  const bound = propagate(expression);
  const rank = output.shape.length;
  const maps = operands.map((type) => operandMap(type, rank));
  const position = new Array<number>(rank).fill(0);
  const given = new Float64Array(operands.length);
  return [
    expected.map(() => {
      maps.forEach(({ extents, steps }, i) => {
        given[i] = inputs[i][position.reduce((sum, at, axis) => sum + (at % extents[axis]) * steps[axis], 0)];
      });
      for (let axis = rank - 1; axis >= 0 && ++position[axis] === output.shape[axis]; axis--) position[axis] = 0;
      return bound(given);
    }),
  ];
};

const exact: Bound = (_plan, _inputs, expected) => expected.map((cells) => new Float64Array(cells.length));

/** The bound of each room's operators. */
export function boundOf(operator: Operator): Bound {
  const perCell = (plan: unknown): number => operator.cost(plan).multiplyAdds / Math.max(1, size(operator.outputs(plan)[0].shape));
  const bounds: Readonly<Record<string, Bound>> = {
    "grid-linear": linear(operator, perCell),
    matmul: linear(operator, perCell),
    reduce: linear(operator, perCell),
    move: linear(operator, () => 16),
    moments: statistics(operator),
    pointwise,
    window: linear(operator, () => 64),
    random: exact,
  };
  const bound = bounds[operator.name];
  if (bound === undefined) throw new Error(`no bound for operator ${operator.name}: add it to test/laws/bounds.ts`);
  return bound;
}

/** Functions that give integers for integers, without rounding. */
const integral = new Set([
  "add",
  "subtract",
  "multiply",
  "negate",
  "abs",
  "min",
  "max",
  "relu",
  "floor",
  "less",
  "lessEqual",
  "equal",
  "notEqual",
  "select",
  "sign",
  "square",
  "clip",
  "greater",
  "greaterEqual",
]);

/** Whether small integers give exactly the oracle's result. */
export function isExactOnIntegers(operator: Operator, plan: unknown): boolean {
  if (operator.name === "moments") return false;
  if (operator.name !== "pointwise") return true;
  const steps = schedule((plan as PointwisePlan).expression);
  return steps.every((step) => (step.kind === "call" ? integral.has(step.name) : step.kind === "operand" || Number.isInteger(step.value)));
}
