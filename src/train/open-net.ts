import { fail } from "../base/errors.ts";
import type { Tensor } from "../base/types.ts";
import { loadGraph } from "../graph/save.ts";
import type { Target } from "../graph/session.ts";
import type { TracedNet } from "../inspect/summary.ts";
import { crossEntropy } from "../nn/losses.ts";
import { models } from "../nn/models/index.ts";
import { sgd } from "../nn/optimisers.ts";
import { type TracedStep, traceEvaluation, traceTraining } from "../nn/step.ts";
import { findNet, isNetFile } from "./find-net.ts";
import { openModel } from "./use-model.ts";

/** Which net, and on what examples. */
export interface OpenNetOptions {
  /** Shape of one example [channels, ...extents], for nets that are not trained. */
  readonly input?: readonly number[];
  readonly classes?: number;
  /** Examples of one run. Default 1. */
  readonly batch?: number;
  /** The training step in place of inference: forward, backward, SGD with momentum. */
  readonly training?: boolean;
  readonly runs?: string;
}

export interface OpenedNet {
  /** Layers that were traced now begin with their initialisers. */
  readonly traced: TracedNet | TracedStep;
  /** Parameters and statistics of a trained model. */
  readonly tensors?: ReadonlyMap<string, Tensor>;
}

/** Examples that the named models are made for. */
const usualShapes: Readonly<Record<string, readonly number[]>> = {
  default: [1, 28, 28],
  lenet5: [1, 28, 28],
  resnet20: [3, 32, 32],
  resnet18: [3, 224, 224],
  mobilenetv2: [3, 224, 224],
  unet: [1, 128, 128],
  recurrent: [1, 128, 128],
};

/**
 * A net by the name of a model, from a file that exports one, or from a model file or run, traced.
 * Throws: ToeplitzError when there is none, or its training step is asked of a model file.
 */
export async function openNet(name: string, target: Target, options: OpenNetOptions = {}): Promise<OpenedNet> {
  const { batch = 1, classes = 10, training = false, runs } = options;
  if (!Object.hasOwn(models, name) && !isNetFile(name)) {
    const model = await openModel(name, target, { runs });
    if (training)
      fail("model", name, "training step", "the name of a model, or a file that exports net", "a model file, which holds inference alone");
    const traced = model.traced();
    const { tensors } = model;
    return { traced: batch === 1 ? traced : { ...traced, graph: loadGraph(model.description.graph, batch) }, tensors };
  }
  const shape = options.input ?? usualShapes[name];
  if (shape === undefined) return fail("model", name, "input", "the shape of one example, --input CxHxW", "none");
  const net = await findNet(name, shape, classes);
  const inputs = { input: { shape } };
  if (!training) return { traced: traceEvaluation(net, { batch, inputs }) };
  const targets = { label: { shape: [], dtype: "i32" as const } };
  return { traced: traceTraining(net, { batch, inputs, targets, loss: crossEntropy(), optimiser: sgd({ momentum: 0.9 }) }) };
}
