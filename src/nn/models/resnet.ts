import { lecun } from "../initialisers.ts";
import { relu } from "../layers/activation.ts";
import { type Container, named, residual, sequential } from "../layers/compose.ts";
import { conv, dense } from "../layers/linear.ts";
import { batchNorm } from "../layers/normalise.ts";
import { globalPool, maxPool } from "../layers/pool.ts";
import type { Layer } from "../scope.ts";

const convNorm = (channels: number, kernel: number, stride: number): Layer[] => [
  conv(channels, { kernel, stride, padding: (kernel - 1) / 2, bias: false }),
  batchNorm(),
];

/** Two 3x3 convolutions around which a shortcut leads: the identity, or a 1x1 convolution where extents or channels change. */
function basicBlock(channelsIn: number, channels: number, stride: number): Layer {
  const body = sequential(...convNorm(channels, 3, stride), relu(), ...convNorm(channels, 3, 1));
  const alike = stride === 1 && channelsIn === channels;
  return sequential(alike ? residual(body) : residual(body, sequential(...convNorm(channels, 1, stride))), relu());
}

/** Stages of basic blocks; all but the first halve the extents. */
function stages(channelsIn: number, channels: readonly number[], blocks: number): Layer[] {
  return channels.map((own, stage) => {
    const before = stage === 0 ? channelsIn : channels[stage - 1];
    const list = Array.from({ length: blocks }, (_, block) =>
      named(`block${block + 1}`, basicBlock(block === 0 ? before : own, own, block === 0 && stage > 0 ? 2 : 1)),
    );
    return named(`stage${stage + 1}`, sequential(...list));
  });
}

const head = (classes: number): Layer[] => [globalPool("average"), named("head", dense(classes, { initialiser: lecun() }))];

/**
 * ResNet for small pictures: 20 layers, three stages of 16, 32 and 64 channels, shortcuts by 1x1 convolution where the shape changes.
 * Source: He et al. 2016, section 4.2.
 * Shapes: [N, C, ...extents] -> logits [N, classes]; made for 32x32, and for any number of axes.
 */
export const resnet20 = (classes: number): Container =>
  sequential(named("stem", sequential(...convNorm(16, 3, 1), relu())), ...stages(16, [16, 32, 64], 3), ...head(classes));

/**
 * ResNet with 18 layers: a 7x7 convolution and pooling, then four stages of 64, 128, 256 and 512 channels.
 * Source: He et al. 2016, table 1.
 * Shapes: [N, C, ...extents] -> logits [N, classes]; made for 224x224.
 */
export const resnet18 = (classes: number): Container =>
  sequential(
    named("stem", sequential(...convNorm(64, 7, 2), relu(), maxPool(3, { stride: 2, padding: 1 }))),
    ...stages(64, [64, 128, 256, 512], 2),
    ...head(classes),
  );
