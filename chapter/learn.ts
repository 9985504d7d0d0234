import {
  adam,
  crossEntropy,
  initialise,
  type Loss,
  type Net,
  random,
  type Session,
  type Tensor,
  type TensorSpec,
  type TrainingOptions,
  traceEvaluation,
  traceTraining,
} from "toeplitz";
import { open } from "toeplitz/node";

/** Examples and what is to be learnt of them: a class or numbers for each. */
export interface Lesson {
  /** Shape of one example. */
  readonly shape: readonly number[];
  readonly cells: Float32Array;
  /** Shape of one target; one class when left out. */
  readonly target?: readonly number[];
  readonly targets: Int32Array | Float32Array;
}

export interface LearnOptions {
  readonly steps?: number;
  readonly batch?: number;
  readonly rate?: number;
  readonly seed?: number;
  readonly loss?: Loss;
  readonly frozen?: TrainingOptions["frozen"];
  /** Parameters to begin with, by name. */
  readonly start?: Readonly<Record<string, Tensor>>;
  /** Where it runs; Node's target with one thread when left out. */
  readonly session?: Session;
}

export interface Learnt {
  readonly session: Session;
  /** Mean loss of the last tenth of the steps. */
  readonly loss: number;
  /** Number of numbers that were learnt or kept. */
  readonly parameters: number;
  /** Results for examples, all at once; with the name of a tap, those. */
  results(cells: Float32Array, tap?: string): Promise<Tensor>;
}

const cellsOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Trains a net with Adam on random batches of a lesson; the rate falls to zero by a cosine. */
export async function learn(net: Net, lesson: Lesson, options: LearnOptions = {}): Promise<Learnt> {
  const { steps = 200, batch = 32, rate = 0.005, seed = 1, loss = crossEntropy(), frozen } = options;
  const session = options.session ?? (await open({ threads: 1 }));
  const dtype = lesson.targets instanceof Int32Array ? "i32" : "f32";
  const inputs: Record<string, TensorSpec> = { input: { shape: lesson.shape } };
  const targets: Record<string, TensorSpec> = { target: { shape: lesson.target ?? [], dtype } };
  const step = traceTraining(net, { batch, inputs, targets, loss, optimiser: adam(), frozen });
  const program = await session.compile(step.graph);
  await initialise(session, [step], seed);
  for (const [name, tensor] of Object.entries(options.start ?? {})) await session.write(name, tensor);
  const [each, eachTarget] = [cellsOf(lesson.shape), cellsOf(lesson.target ?? [])];
  const count = lesson.cells.length / each;
  const draws = random(seed, 7);
  const input = new Float32Array(batch * each);
  const target = lesson.targets.slice(0, 0);
  const chosen = target instanceof Int32Array ? new Int32Array(batch * eachTarget) : new Float32Array(batch * eachTarget);
  let last = 0;
  for (let at = 1; at <= steps; at++) {
    for (let i = 0; i < batch; i++) {
      const from = draws.integer(0, count - 1);
      input.set(lesson.cells.subarray(from * each, (from + 1) * each), i * each);
      chosen.set(lesson.targets.subarray(from * eachTarget, (from + 1) * eachTarget), i * eachTarget);
    }
    const learningRate = (rate * (1 + Math.cos((Math.PI * (at - 1)) / steps))) / 2;
    const outputs = await program.run({ input, target: chosen, learningRate, step: at });
    if (at > steps * 0.9) last += outputs.loss.data[0] / (steps - Math.floor(steps * 0.9));
  }
  program.close();
  const results = async (cells: Float32Array, tap?: string): Promise<Tensor> => {
    const examples = cells.length / each;
    const traced = traceEvaluation(net, { batch: examples, inputs, taps: tap === undefined ? [] : [tap] });
    const evaluation = await session.compile(traced.graph);
    const { [tap ?? "output"]: result } = await evaluation.run({ input: cells });
    const kept = { ...result, data: result.data.slice() };
    evaluation.close();
    return kept;
  };
  return { session, loss: last, parameters: step.parameters.reduce((sum, { type }) => sum + cellsOf(type.shape), 0), results };
}

/** States a claim that the numbers of an experiment bear out, whatever the machine; throws when they do not. */
export function claim(text: string, holds: boolean): void {
  if (!holds) throw new Error(`this does not hold: ${text}`);
  console.log(text);
}
