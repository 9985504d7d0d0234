import { type Random, random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import type { Feeds, Session } from "../../src/graph/session.ts";
import {
  adam,
  averagePool,
  batchNorm,
  concatenated,
  conv,
  crossEntropy,
  dense,
  depthwiseConv,
  dropout,
  flatten,
  gelu,
  globalPool,
  groupNorm,
  identity,
  initialise,
  type Layer,
  layerNorm,
  leakyRelu,
  localConv,
  maxout,
  maxPool,
  meanSquaredError,
  relu,
  residual,
  sequential,
  sgd,
  sigmoid,
  type TracedStep,
  type TrainingOptions,
  tiledConv,
  traceEvaluation,
  traceTraining,
  transposedConv,
} from "../../src/index.ts";

/** A net (no bias before a batch norm: its gradient is zero but for rounding) with its training and evaluation programs, and batches to feed them. */
export interface Trial {
  readonly name: string;
  readonly batch: number;
  readonly training: TracedStep;
  readonly evaluation: TracedStep;
  /** Feeds of the training step of this number (from 1). */
  feeds(step: number): Feeds;
}

interface Kind {
  readonly input: readonly number[];
  /** Classes; null for a target of the output's shape. */
  readonly classes: number | null;
  readonly target: readonly number[];
  readonly options: Pick<TrainingOptions, "loss" | "optimiser" | "clip" | "average">;
}

function trial(name: string, net: Layer, batch: number, kind: Kind): Trial {
  const { input, classes, target, options } = kind;
  const common = { batch, inputs: { input: { shape: input } } };
  const targets = { label: { shape: target, dtype: classes === null ? ("f32" as const) : ("i32" as const) } };
  const cells = (draw: Random, shape: readonly number[]): Float32Array =>
    Float32Array.from({ length: batch * size(shape) }, () => draw.normal());
  return {
    name,
    batch,
    training: traceTraining(net, { ...common, targets, ...options }),
    evaluation: traceEvaluation(net, common),
    feeds: (step) => {
      const draw = random(7, step);
      return {
        input: cells(draw, input),
        label: classes === null ? cells(draw, target) : Int32Array.from({ length: batch }, () => draw.integer(0, classes - 1)),
        learningRate: 0.05,
        step,
        seed: 3,
        ids: Int32Array.from({ length: batch }, (_, i) => 100 * step + i),
      };
    },
  };
}

const pictures = (): Trial =>
  trial(
    "pictures",
    sequential(
      conv(10, { kernel: 3, padding: "same", bias: false }),
      batchNorm(),
      relu(),
      maxPool(2),
      dropout(0.3),
      residual(sequential(conv(10, { kernel: 3, padding: "same", groups: 2, bias: false }), batchNorm(), relu(), conv(10, { kernel: 1 }))),
      relu(),
      depthwiseConv({ kernel: 3, padding: "same", stride: 2 }),
      sigmoid(),
      conv(17, { kernel: 3, padding: 1 }),
      leakyRelu(),
      globalPool("average"),
      flatten(),
      dense(5),
    ),
    6,
    { input: [3, 11, 9], classes: 5, target: [], options: { loss: crossEntropy(), optimiser: sgd({ momentum: 0.9 }) } },
  );

const sound = (): Trial =>
  trial(
    "sound",
    sequential(
      conv(12, { kernel: 9, stride: 2 }),
      groupNorm(3),
      gelu(),
      tiledConv(8, { kernel: 3, period: 2, padding: "same" }),
      maxout(2),
      localConv(6, { kernel: 3 }),
      layerNorm(),
      concatenated(identity(), conv(3, { kernel: 3, dilation: 2, padding: "causal" })),
      averagePool(2),
      flatten(),
      dense(20),
      sigmoid(),
      dense(4),
    ),
    5,
    {
      input: [1, 61],
      classes: 4,
      target: [],
      options: { loss: crossEntropy({ labelSmoothing: 0.1 }), optimiser: adam(), clip: { norm: 1 }, average: 0.9 },
    },
  );

const volumes = (): Trial =>
  trial(
    "volumes",
    sequential(
      conv(8, { kernel: 3, padding: "same", border: "reflect" }),
      relu(),
      maxPool(2),
      conv(9, { kernel: 3, padding: "same", bias: false }),
      batchNorm(),
      relu(),
      transposedConv(2, { kernel: 2, stride: 2 }),
    ),
    3,
    { input: [2, 4, 6, 4], classes: null, target: [2, 4, 6, 4], options: { loss: meanSquaredError(), optimiser: adam() } },
  );

/** Large enough that threads are worth waking. */
export const wide = (): Trial =>
  trial(
    "wide",
    sequential(
      conv(24, { kernel: 3, padding: "same", bias: false }),
      batchNorm(),
      relu(),
      maxPool(2),
      dropout(0.2),
      conv(32, { kernel: 3, padding: "same", bias: false }),
      batchNorm(),
      relu(),
      conv(40, { kernel: 3, stride: 2, padding: 1 }),
      relu(),
      flatten(),
      dense(10),
    ),
    12,
    {
      input: [3, 32, 32],
      classes: 10,
      target: [],
      options: { loss: crossEntropy(), optimiser: sgd({ momentum: 0.9, weightDecay: 1e-4 }) },
    },
  );

export const trials: readonly (() => Trial)[] = [pictures, sound, volumes];

/** First values of all states, the same for every session. */
export const start = (session: Session, { training, evaluation }: Trial): Promise<void> => initialise(session, [training, evaluation], 11);
