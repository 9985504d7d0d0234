import { init, jit, lax, nn, numpy as np, valueAndGrad } from "@jax-js/jax";
import type { Placed } from "../cases/case.ts";
import type { BatchNormNode, Net, Node } from "../net.ts";
import { type Loaded, type LoadedCase, Refused, serve } from "./serve.ts";
import { packageVersion } from "./versions.ts";

/*
 * The whole forward pass, or the whole training step, is one jitted function. Every use of an array hands over a reference (`.ref`);
 * the map of values keeps one of its own, given back at the end.
 */

type Jax = np.Array;

/** One axis [c] against [n, c, ...extents]. */
const perChannel = (value: Jax, rank: number): Jax => value.reshape([-1, ...new Array<number>(rank - 2).fill(1)]);

function batchNorm(node: BatchNormNode, x: Jax, take: (name: string) => Jax, running: Map<string, Jax>): Jax {
  const rank = x.ndim;
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1);
  const count = axes.reduce((product, axis) => product * x.shape[axis], 1);
  const mean = np.mean(x.ref, axes);
  const centred = x.sub(perChannel(mean.ref, rank));
  const variance = np.mean(np.square(centred.ref), axes);
  const move = (name: string, value: Jax): void => {
    running.set(name, np.add(take(name).mul(1 - node.momentum), value.mul(node.momentum)));
  };
  const inverse = np.reciprocal(np.sqrt(variance.ref.add(node.epsilon)));
  move(node.mean, mean);
  move(node.variance, variance.mul(count / (count - 1)));
  const scale = perChannel(take(node.scale).mul(inverse), rank);
  return centred.mul(scale).add(perChannel(take(node.shift), rank));
}

function apply(node: Node, net: Net, take: (name: string) => Jax, running: Map<string, Jax>): Jax {
  const input = (index = 0): Jax => take(node.inputs[index]);
  switch (node.op) {
    case "conv": {
      if (node.period !== undefined) throw new Refused("no tiled or locally connected layer");
      const padding = node.low.map((low, axis): [number, number] => [low, node.high[axis]]);
      const result = lax.convGeneralDilated(input(), take(node.weight), [...node.stride], padding, {
        rhsDilation: [...node.dilation],
        featureGroupCount: node.groups,
      });
      return node.bias === null ? result : result.add(perChannel(take(node.bias), node.shape.length));
    }
    case "maxPool": {
      const source = net.nodes.find(({ output }) => output === node.inputs[0]);
      const padding = node.low.map((low, axis): [number, number] => [low, node.high[axis]]);
      const plain = padding.flat().every((cells) => cells === 0);
      // padding is made of zeros, which serve for the maximum only where nothing is below zero
      if (!plain && source?.op !== "relu") throw new Refused("pads with zeros alone");
      const x = plain ? input() : np.pad(input(), [[0, 0], [0, 0], ...padding]);
      return lax.reduceWindow(x, (window) => np.max(window), [...node.kernel], [...node.stride]);
    }
    case "batchNorm":
      return batchNorm(node, input(), take, running);
    case "dense": {
      const result = np.matmul(input(), take(node.weight).transpose());
      return node.bias === null ? result : result.add(take(node.bias));
    }
    case "relu":
      return nn.relu(input());
    case "relu6":
      return nn.relu6(input());
    case "add":
      return input().add(input(1));
    case "flatten":
      return input().reshape([...node.shape]);
    case "globalAverage": {
      const x = input();
      return np.mean(
        x,
        Array.from({ length: x.ndim - 2 }, (_, axis) => axis + 2),
      );
    }
    default:
      throw new Refused(`no ${node.op}`);
  }
}

/** Result of the net and the moved running statistics; takes the references in `values`. */
function evaluate(net: Net, values: Map<string, Jax>): { result: Jax; running: Map<string, Jax> } {
  const running = new Map<string, Jax>();
  const take = (name: string): Jax => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`no value ${name}`);
    return value.ref;
  };
  for (const node of net.nodes) values.set(node.output, apply(node, net, take, running));
  const result = take(net.output);
  for (const value of values.values()) value.dispose();
  return { result, running };
}

const arrayOf = (source: LoadedCase, entry: Placed): Jax => np.array(source.numbersOf(entry).slice()).reshape([...entry.shape]);
const mapOf = (names: readonly Placed[], arrays: readonly Jax[]): [string, Jax][] => names.map(({ name }, index) => [name, arrays[index]]);

function forward(source: LoadedCase): Loaded {
  const parameters = source.parameters.map((entry) => arrayOf(source, entry));
  const run = jit(
    (weights: Jax[], inputs: Jax[]): Jax =>
      evaluate(source.net, new Map([...mapOf(source.parameters, weights), ...mapOf(source.inputs, inputs)])).result,
  );
  const call = async (): Promise<Float32Array> => {
    const inputs = source.inputs.map((entry) => arrayOf(source, entry));
    const result = run(
      parameters.map((parameter) => parameter.ref),
      inputs,
    ) as Jax;
    return (await result.data()) as Float32Array;
  };
  return { call };
}

function training(source: LoadedCase): Loaded {
  const trained = source.parameters.filter(({ trainable }) => trainable);
  const kept = source.parameters.filter(({ trainable }) => !trainable);
  const classes = source.net.nodes[source.net.nodes.length - 1].shape[1];
  const oneHot = np.array(
    Float32Array.from(source.labels.flatMap((label) => Array.from({ length: classes }, (_, index) => +(index === label)))),
  );
  const targets = oneHot.reshape([source.labels.length, classes]);

  const loss = (weights: Jax[], statistics: Jax[], inputs: Jax[], labels: Jax): [Jax, Jax[]] => {
    const values = new Map([...mapOf(trained, weights), ...mapOf(kept, statistics), ...mapOf(source.inputs, inputs)]);
    const { result, running } = evaluate(source.net, values);
    const negative = nn.logSoftmax(result, 1).mul(labels).sum().neg();
    return [negative.div(source.labels.length), kept.map(({ name }) => running.get(name) as Jax)];
  };
  const step = jit((weights: Jax[], velocities: Jax[], statistics: Jax[], inputs: Jax[], labels: Jax): [Jax, Jax[], Jax[], Jax[]] => {
    const differentiated = valueAndGrad(loss as never, { hasAux: true }) as unknown as (...values: unknown[]) => [[Jax, Jax[]], Jax[]];
    const [[value, moved], gradients] = differentiated(
      weights.map((weight) => weight.ref),
      statistics,
      inputs,
      labels,
    );
    const faster = velocities.map((velocity, index) => velocity.mul(source.momentum).add(gradients[index]));
    const updated = weights.map((weight, index) => weight.sub(faster[index].ref.mul(source.rate)));
    return [value, updated, faster, moved];
  });

  let weights = trained.map((entry) => arrayOf(source, entry));
  let velocities = trained.map(({ shape }) => np.zeros([...shape]));
  let statistics = kept.map((entry) => arrayOf(source, entry));
  const call = async (): Promise<Float32Array> => {
    const inputs = source.inputs.map((entry) => arrayOf(source, entry));
    const [value, ...state] = step(weights, velocities, statistics, inputs, targets.ref) as [Jax, Jax[], Jax[], Jax[]];
    [weights, velocities, statistics] = state;
    return (await value.data()) as Float32Array;
  };
  return { call };
}

await serve(
  () => packageVersion("@jax-js/jax"),
  async (source, threads) => {
    if (threads > 1) throw new Refused("one thread in Node");
    await init();
    return source.kind === "forward" ? forward(source) : training(source);
  },
);
