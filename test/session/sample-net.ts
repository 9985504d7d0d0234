import type { Random } from "../../src/base/random.ts";
import {
  averagePool,
  batchNorm,
  concatenated,
  conv,
  dense,
  depthwiseConv,
  dropout,
  flatten,
  gelu,
  globalPool,
  type Layer,
  maxPool,
  relu,
  residual,
  sequential,
  sigmoid,
} from "../../src/index.ts";

/** A net of random layers: branches, skips, shapes that shrink. */
export function sampleNet(draw: Random): Layer {
  const channels = (): number => draw.integer(1, 20);
  const block = (depth: number): Layer => {
    const kinds: (() => Layer)[] = [
      () => conv(channels(), { kernel: draw.integer(1, 3), padding: "same", bias: draw.integer(0, 1) === 0 }),
      () => sequential(conv(channels(), { kernel: 3, padding: "same", bias: false }), batchNorm(), relu()),
      () => depthwiseConv({ kernel: 3, padding: "same" }),
      () => [gelu(), sigmoid(), relu(), dropout(0.2)][draw.integer(0, 3)],
      () => [maxPool(2), averagePool(2)][draw.integer(0, 1)],
      () => residual(sequential(conv(8, { kernel: 3, padding: "same" }), relu(), conv(8, { kernel: 1 }))),
      () => concatenated(conv(channels(), { kernel: 3, padding: "same" }), conv(channels(), { kernel: 1 })),
      () => sequential(block(depth + 1), block(depth + 1)),
    ];
    const kind = draw.integer(0, kinds.length - (depth > 2 ? 2 : 1));
    // a sum needs the channels that it adds
    return kind === 5 ? sequential(conv(8, { kernel: 1 }), kinds[5]()) : kinds[kind]();
  };
  const blocks = Array.from({ length: draw.integer(1, 6) }, () => block(0));
  return sequential(...blocks, draw.integer(0, 1) === 0 ? globalPool("average") : flatten(), dense(7));
}
