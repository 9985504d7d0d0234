import { random } from "../../src/base/random.ts";
import { sameShape, type Tensor } from "../../src/base/types.ts";
import type { Feeds, Outputs, Program, Session } from "../../src/graph/session.ts";
import { start, type Trial } from "./nets.ts";
import { epsilon } from "./rounding.ts";

/** Everything that a run of several steps lets one see, by name. */
export type Seen = Readonly<Record<string, Float64Array>>;

/** Examples of each step: full, a short last batch, full again. */
export const batches = ({ batch }: Trial): readonly number[] => [batch, batch - 2, batch];

export interface Script {
  /** Multiplies feeds and states by 1 + 2^-24 normal draws: another rounding of the same numbers. */
  readonly shake?: number;
  /** Runs the evaluation between the training steps. */
  readonly interleave?: boolean;
}

type Cells = Float32Array | Int32Array | Float64Array;

function shaker(seed: number): (cells: Cells) => Cells {
  const draw = random(5, seed);
  return (cells) =>
    seed === 0 || cells instanceof Int32Array ? cells : Float64Array.from(cells, (cell) => cell * (1 + epsilon * draw.normal()));
}

const noted = (outputs: Outputs, name: string): [string, Float64Array][] =>
  Object.entries(outputs).map(([output, { data }]) => [`${output} of ${name}`, Float64Array.from(data)]);

/** Steps of training, then an evaluation; all outputs on the way, and all states at the end. */
export async function train(session: Session, trial: Trial, { shake = 0, interleave = false }: Script = {}): Promise<Seen> {
  const step = await session.compile(trial.training.graph);
  const evaluation = await session.compile(trial.evaluation.graph);
  await start(session, trial);
  const shaken = shaker(shake);
  if (shake > 0) for (const name of session.states()) await overwrite(session, name, shaken);
  const seen: [string, Float64Array][] = [];
  for (const [index, examples] of batches(trial).entries()) {
    const feeds = Object.fromEntries(
      Object.entries(trial.feeds(index + 1)).map(([name, cells]) => [name, typeof cells === "number" ? cells : shaken(cells)]),
    );
    seen.push(...noted(await step.run(feeds as Feeds, examples), `step ${index + 1}`));
    if (interleave) await evaluate(evaluation, trial, trial.batch);
  }
  seen.push(...noted(await evaluate(evaluation, trial, trial.batch - 1), "evaluation"));
  for (const name of session.states()) seen.push([`state ${name}`, Float64Array.from((await session.read(name)).data)]);
  return Object.fromEntries(seen);
}

export const evaluate = (evaluation: Program, trial: Trial, examples: number): Promise<Outputs> =>
  evaluation.run({ input: trial.feeds(9).input }, examples);

async function overwrite(session: Session, name: string, change: (cells: Cells) => Cells): Promise<void> {
  const { dtype, shape, data } = await session.read(name);
  await session.write(name, { dtype, shape, data: change(data as Cells) as Float32Array });
}

/** Copies all states that two sessions share by name. */
export async function copyStates(from: Session, to: Session): Promise<void> {
  const known = new Map<string, Tensor>();
  for (const name of from.states()) known.set(name, await from.read(name));
  for (const name of to.states()) {
    const state = known.get(name);
    if (state !== undefined && sameShape(state.shape, (await to.read(name)).shape)) await to.write(name, state);
  }
}

const most = (cells: Float64Array): number => cells.reduce((largest, cell) => Math.max(largest, Math.abs(cell)), 0);
const distance = (a: Float64Array, b: Float64Array): number => most(a.map((cell, i) => cell - b[i]));

/**
 * How far the f32 results of a program may be from the oracle's, by name: how far the oracle's own results move when all feeds
 * and states are rounded once more, times a factor for the roundings inside. Measured at most 3 on three nets and tiers.
 */
export function allowances(oracle: Seen, shaken: readonly Seen[]): Readonly<Record<string, number>> {
  const factor = 8;
  return Object.fromEntries(
    Object.entries(oracle).map(([name, cells]) => [
      name,
      factor * (epsilon * most(cells) + Math.max(...shaken.map((other) => distance(other[name], cells)))),
    ]),
  );
}

/** What differs more than allowed (more than nothing without allowances). */
export function differences(got: Seen, want: Seen, allowed: Readonly<Record<string, number>> | null = null): string[] {
  const names = new Set([...Object.keys(got), ...Object.keys(want)]);
  return [...names].flatMap((name) => {
    const [a, b] = [got[name], want[name]];
    if (a === undefined || b === undefined || a.length !== b.length)
      return [`${name}: ${a?.length ?? "no"} cells, expected ${b?.length ?? "none"}`];
    const limit = allowed?.[name] ?? 0;
    const cell = a.findIndex((value, i) => !(Math.abs(value - b[i]) <= limit));
    return cell < 0 ? [] : [`${name}[${cell}] is ${a[cell]}, expected ${b[cell]} ${limit === 0 ? "exactly" : `+- ${limit}`}`];
  });
}
