import type * as Toeplitz from "../../src/index.ts";

/** What a platform is asked to train with. */
export interface SmallTraining extends Toeplitz.SessionOptions {
  readonly steps: number;
}

/** What it says: every number as the platform has it, to the bit. */
export interface SmallResult {
  readonly description: string;
  /** Mean loss of each training step. */
  readonly losses: readonly number[];
  /** Logits and losses of a short batch, by an evaluation program that shares the state. */
  readonly logits: readonly number[];
  readonly evaluation: readonly number[];
  /** Hash of the bits of every state: parameters, momentum, running statistics. */
  readonly digest: number;
}

/**
 * Trains a small net on random pictures of four classes. It is sent to the platforms as text, so it must not refer to anything outside of itself.
 */
export async function trainSmallNet(
  toeplitz: typeof Toeplitz,
  open: Toeplitz.Target["open"],
  { steps, ...options }: SmallTraining,
): Promise<SmallResult> {
  const { batchNorm, conv, crossEntropy, dense, flatten, initialise, maxPool, random, relu, sequential, sgd } = toeplitz;
  const [classes, extent, batch, short] = [4, 12, 16, 11];
  const draws = random(11);
  const patterns = Array.from({ length: classes }, () => Float32Array.from({ length: extent * extent }, () => draws.uniform()));
  const batches = Array.from({ length: steps }, (_, step) => {
    const label = Int32Array.from({ length: batch }, (__, i) => (i + step) % classes);
    const input = new Float32Array(batch * extent * extent);
    label.forEach((one, i) => {
      for (let cell = 0; cell < extent * extent; cell++) input[i * extent * extent + cell] = patterns[one][cell] + 0.8 * draws.uniform();
    });
    return { input, label };
  });
  const net = sequential(
    conv(8, { kernel: 3, padding: "same", bias: false }),
    batchNorm(),
    relu(),
    maxPool(2),
    conv(16, { kernel: 3, padding: "same" }),
    relu(),
    maxPool(2),
    flatten(),
    dense(classes),
  );
  const traced = {
    batch,
    inputs: { input: { shape: [1, extent, extent] } },
    targets: { target: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
  } as const;
  const training = toeplitz.traceTraining(net, { ...traced, optimiser: sgd({ momentum: 0.9 }) });
  const evaluating = toeplitz.traceEvaluation(net, traced);
  const session = await open(options);
  const train = await session.compile(training.graph);
  const evaluate = await session.compile(evaluating.graph);
  await initialise(session, [training, evaluating], 7);
  const losses: number[] = [];
  for (const [index, { input, label }] of batches.entries()) {
    const { loss } = await train.run({ input, target: label, learningRate: 0.02, step: index + 1 });
    losses.push(loss.data[0]);
  }
  const { output, loss } = await evaluate.run({ input: batches[0].input, target: batches[0].label }, short);
  const [logits, evaluation] = [[...output.data], [...loss.data]];
  let digest = 2166136261;
  for (const name of session.states().sort()) {
    const { data } = await session.read(name);
    for (const word of new Int32Array(data.buffer, data.byteOffset, data.length)) digest = Math.imul(digest ^ word, 16777619);
  }
  await session.close();
  return { description: session.description, losses, logits, evaluation, digest };
}

/** Text of a module's body that trains with each of the options in turn; `main` and `opener` are specifiers of the package's entries. */
export function trainingBody(main: string, opener: string, asked: readonly SmallTraining[]): string {
  return `
    const toeplitz = await import(${JSON.stringify(main)});
    const { open } = await import(${JSON.stringify(opener)});
    const train = ${trainSmallNet.toString()};
    const results = [];
    for (const options of ${JSON.stringify(asked)}) results.push(await train(toeplitz, open, options));`;
}
