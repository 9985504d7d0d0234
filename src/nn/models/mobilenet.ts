import { lecun } from "../initialisers.ts";
import { relu6 } from "../layers/activation.ts";
import { type Container, named, residual, sequential } from "../layers/compose.ts";
import { dropout } from "../layers/dropout.ts";
import { conv, dense, depthwiseConv } from "../layers/linear.ts";
import { batchNorm } from "../layers/normalise.ts";
import { globalPool } from "../layers/pool.ts";
import type { Layer } from "../scope.ts";

const pointwiseConv = (channels: number): Layer[] => [conv(channels, { kernel: 1, bias: false }), batchNorm()];

/** Widen by a 1x1 convolution, convolve every channel by itself, narrow by another 1x1 convolution with nothing after it. */
function invertedResidual(channelsIn: number, channels: number, expansion: number, stride: number): Layer {
  const widen = expansion === 1 ? [] : [...pointwiseConv(channelsIn * expansion), relu6()];
  const depthwise = [depthwiseConv({ kernel: 3, stride, padding: 1, bias: false }), batchNorm(), relu6()];
  const body = sequential(...widen, ...depthwise, ...pointwiseConv(channels));
  return stride === 1 && channelsIn === channels ? residual(body) : body;
}

/** Expansion, channels, blocks, stride of the first block. */
const table: readonly (readonly [number, number, number, number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

/**
 * MobileNetV2 of width 1.
 * Source: Sandler et al. 2018, table 2.
 * Shapes: [N, C, ...extents] -> logits [N, classes]; made for 224x224.
 */
export function mobilenetv2(classes: number): Container {
  let before = 32;
  const stages = table.map(([expansion, channels, blocks, firstStride], stage) => {
    const list = Array.from({ length: blocks }, (_, block) => {
      const made = invertedResidual(before, channels, expansion, block === 0 ? firstStride : 1);
      before = channels;
      return named(`block${block + 1}`, made);
    });
    return named(`stage${stage + 1}`, sequential(...list));
  });
  return sequential(
    named("stem", sequential(conv(32, { kernel: 3, stride: 2, padding: 1, bias: false }), batchNorm(), relu6())),
    ...stages,
    named("last", sequential(...pointwiseConv(1280), relu6())),
    globalPool("average"),
    dropout(0.2),
    named("head", dense(classes, { initialiser: lecun() })),
  );
}
