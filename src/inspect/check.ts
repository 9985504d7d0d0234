import { fail } from "../base/errors.ts";
import { type Random, random } from "../base/random.ts";
import { size, type TensorType } from "../base/types.ts";
import type { Graph, GraphValue } from "../graph/graph.ts";
import type { Feeds, Session } from "../graph/session.ts";
import type { Algorithm, Device, Operator } from "../ops/contract.ts";
import { operatorOfLine, operators } from "../ops/index.ts";
import type { WindowPlan } from "../ops/window/index.ts";

/** A target that has no other algorithm for the operator than the one given. */
export interface CheckHost {
  readonly algorithms: readonly Algorithm[];
  open(algorithms: readonly Algorithm[], threads: number): Promise<Session & { readonly device: Device }>;
}

/** What one algorithm gave on one problem. */
export interface CheckResult {
  readonly algorithm: string;
  /** The laws hold: exact on integers, within the bound on real numbers, the same bits for 1 and 2 threads. */
  readonly holds: boolean;
  readonly message: string;
  /** Why it does not take the problem. */
  readonly refusal?: string;
  /** Largest gap to the reference on small integers, and on real numbers as a part of what rounding explains. */
  readonly integerGap?: number;
  readonly realGap?: number;
}

const epsilon = 2 ** -24;

/** Rooms that are sums of products: the bound is eps (4 + sqrt n) M, n the terms of a cell, M the reference on absolute values. */
const linear = new Set(["grid-linear", "matmul", "reduce", "move", "window"]);

/** Units in the last place (of the largest result) that the functions of formulas and statistics may differ by. */
const unitsOfOthers = 64;

/**
 * Runs one problem line on the reference and alone on every algorithm that takes it, and compares.
 * Throws: ToeplitzError when the line is of no operator, or is wrong.
 */
export async function checkProblem(line: string, host: CheckHost, seed: number): Promise<{ line: string; results: CheckResult[] }> {
  const operator = operatorOfLine(line);
  if (operator === undefined)
    return fail("check", line, "operator", `one of ${operators.map(({ name }) => name).join(", ")}`, line.trim().split(" ")[0]);
  const plan = operator.parse(line);
  const own = host.algorithms.filter((algorithm) => algorithm.operator === operator.name);
  const others = host.algorithms.filter((algorithm) => algorithm.operator !== operator.name);
  const results: CheckResult[] = [];
  for (const algorithm of own)
    results.push(await checkOne(operator, plan, algorithm, (threads) => host.open([algorithm, ...others], threads), seed));
  return { line: operator.line(plan), results };
}

async function checkOne(
  operator: Operator,
  plan: unknown,
  algorithm: Algorithm,
  open: (threads: number) => ReturnType<CheckHost["open"]>,
  seed: number,
): Promise<CheckResult> {
  const [one, two] = [await open(1), await open(2)];
  try {
    const refusal = refusalOf(algorithm, plan, one.device);
    if (refusal !== null) return { algorithm: algorithm.id, holds: false, refusal, message: refusal };
    const draw = random(seed);
    const integers = cellsFor(operator, plan, draw, true);
    const reals = cellsFor(operator, plan, draw, false);
    const graph = graphOf(operator, plan);
    const exact = operator.reference(plan, integers);
    const expected = operator.reference(plan, reals);
    const isLinear = linear.has(operator.name);
    const run = async (session: Session, cells: readonly Float64Array[]): Promise<Float64Array[]> => {
      const program = await session.compile(graph);
      const outputs = await program.run(feedsOf(operator, plan, cells));
      const found = expected.map((_, index) => Float64Array.from(outputs[`output${index}`].data));
      program.close();
      return found;
    };
    const integerGap = largestGap(
      await run(one, integers),
      exact,
      exact.map((cells) => cells.map(() => 1)),
    );
    const bounds = isLinear
      ? linearBounds(operator, plan, reals)
      : expected.map((cells) => cells.map(() => unitsOfOthers * epsilon * largest(cells)));
    const alone = await run(one, reals);
    const realGap = largestGap(alone, expected, bounds);
    const together = await run(two, reals);
    const isSame = alone.every((cells, output) => cells.every((cell, index) => Object.is(cell, together[output][index])));
    const holds = (!isLinear || integerGap === 0) && realGap <= 1 && isSame;
    const first = isLinear
      ? `integers ${integerGap === 0 ? "exact" : `differ by ${integerGap}`}`
      : `integers differ by at most ${integerGap}`;
    const message = `${first}; real numbers within ${realGap.toPrecision(3)} of the bound; ${isSame ? "the same" : "OTHER"} bits with 2 threads`;
    return { algorithm: algorithm.id, holds, message, integerGap, realGap };
  } finally {
    await one.close();
    await two.close();
  }
}

/** Why an algorithm takes no layout of a plan; null when it takes one. */
function refusalOf(algorithm: Algorithm, plan: unknown, device: Device): string | null {
  const layouts = algorithm.layouts(plan, null, device);
  const refusals = layouts.map((layout) => algorithm.refuses(plan, layout, null, device));
  if (refusals.includes(null)) return null;
  return refusals[0] ?? "offers no layout for this plan.";
}

/** A graph of one node. */
function graphOf(operator: Operator, plan: unknown): Graph {
  const inputs = operator.inputs(plan);
  const outputs = operator.outputs(plan);
  const values: GraphValue[] = [
    ...inputs.map((type, index): GraphValue => ({ type, source: { kind: "input", name: `input${index}` } })),
    ...outputs.map((type, output): GraphValue => ({ type, source: { kind: "node", node: 0, output } })),
  ];
  const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);
  const made = numbers(inputs.length, outputs.length);
  const node = { operator, options: null, plan, inputs: numbers(0, inputs.length), outputs: made, path: "", fusion: null };
  return { values, nodes: [node], outputs: made.map((value, index) => ({ name: `output${index}`, value })), updates: [] };
}

function feedsOf(operator: Operator, plan: unknown, cells: readonly Float64Array[]): Feeds {
  const arrays = operator
    .inputs(plan)
    .map(({ dtype }, index) => (dtype === "f32" ? Float32Array.from(cells[index]) : Int32Array.from(cells[index])));
  return Object.fromEntries(arrays.map((array, index) => [`input${index}`, array]));
}

/** Small integers, or reals that are exact in f32; what names cells is made to be valid. */
function cellsFor(operator: Operator, plan: unknown, draw: Random, integers: boolean): Float64Array[] {
  const cell = (type: TensorType): number => {
    if (type.dtype !== "f32") return draw.integer(0, 6);
    return integers ? draw.integer(-4, 4) : Math.fround(draw.normal());
  };
  const inputs = operator.inputs(plan).map((type) => Float64Array.from({ length: size(type.shape) }, () => cell(type)));
  if (operator.name !== "window" || (plan as WindowPlan).role === "select") return inputs;
  const select: WindowPlan = { ...(plan as WindowPlan), role: "select" };
  const [type] = operator.inputs(select);
  const index = operator.reference(select, [Float64Array.from({ length: size(type.shape) }, () => draw.integer(-4, 4))])[1];
  return [inputs[0], index];
}

function linearBounds(operator: Operator, plan: unknown, inputs: readonly Float64Array[]): Float64Array[] {
  const terms = operator.cost(plan).multiplyAdds / Math.max(1, size(operator.outputs(plan)[0].shape));
  const factor = epsilon * (4 + Math.sqrt(terms));
  const isIndex = operator.inputs(plan).map(({ dtype }) => dtype !== "f32");
  const absolute = operator.reference(
    plan,
    inputs.map((cells, index) => (isIndex[index] ? cells : cells.map(Math.abs))),
  );
  return absolute.map((cells) => cells.map((cell) => factor * Math.abs(cell)));
}

const largest = (cells: Float64Array): number =>
  cells.reduce((most, cell) => (Number.isFinite(cell) ? Math.max(most, Math.abs(cell)) : most), 2 ** -126);

/** Largest |got - want| / bound; equal cells (infinities and NaN among them) have no gap. */
function largestGap(got: readonly Float64Array[], want: readonly Float64Array[], bounds: readonly Float64Array[]): number {
  let worst = 0;
  want.forEach((cells, output) => {
    cells.forEach((cell, index) => {
      const own = got[output][index];
      if (Object.is(own, cell) || own === cell) return;
      const gap = Math.abs(own - cell) / bounds[output][index];
      worst = Math.max(worst, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
    });
  });
  return worst;
}
