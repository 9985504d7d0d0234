import { type Net, NetWriter, type Value } from "../net.ts";
import type { Case } from "./case.ts";

/*
 * Forward passes at batch 1. Batch norm is folded into kernel and bias, for every contender.
 * Kernels are drawn with deviation sqrt(2 / fan-in); the last convolution of a residual branch with half of it, so that the sums stay tame.
 */

/** LeNet-5 with ReLU and max pooling (LeCun et al. 1998 in today's form): 28x28x1, 61,706 parameters. */
export function lenet5(batch: number): Net {
  const net = new NetWriter();
  let value = net.relu(net.conv(net.input([batch, 1, 28, 28]), 6, { kernel: 5, padding: 2 }));
  value = net.relu(net.conv(net.maxPool(value, { kernel: 2 }), 16, { kernel: 5 }));
  value = net.flatten(net.maxPool(value, { kernel: 2 }));
  value = net.relu(net.dense(value, 120));
  value = net.relu(net.dense(value, 84));
  return net.finish(net.dense(value, 10));
}

/** ResNet-18 at 224x224 (He et al. 2015, table 1): basic blocks 2, 2, 2, 2 with 64, 128, 256, 512 channels, projection shortcuts. */
export function resnet18(batch: number): Net {
  const net = new NetWriter();
  let value = net.relu(net.conv(net.input([batch, 3, 224, 224]), 64, { kernel: 7, stride: 2, padding: 3 }));
  value = net.maxPool(value, { kernel: 3, stride: 2, padding: 1 });
  for (const channels of [64, 128, 256, 512]) {
    for (let block = 0; block < 2; block++) {
      const stride = block === 0 && channels > 64 ? 2 : 1;
      const first = net.relu(net.conv(value, channels, { kernel: 3, stride, padding: 1 }));
      const branch = net.conv(first, channels, { kernel: 3, padding: 1, gain: 0.5 });
      const shortcut = stride === 1 ? value : net.conv(value, channels, { kernel: 1, stride, gain: Math.SQRT1_2 });
      value = net.relu(net.add(branch, shortcut));
    }
  }
  return net.finish(net.dense(net.globalAverage(value), 1000));
}

/** MobileNetV2 at 224x224, width 1 (Sandler et al. 2018, table 2). */
export function mobilenetv2(batch: number): Net {
  const net = new NetWriter();
  let value: Value = net.relu6(net.conv(net.input([batch, 3, 224, 224]), 32, { kernel: 3, stride: 2, padding: 1 }));
  const stages = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ];
  for (const [expansion, channels, repeats, firstStride] of stages) {
    for (let block = 0; block < repeats; block++) {
      const stride = block === 0 ? firstStride : 1;
      const before = value.shape[1];
      const inner = before * expansion;
      const wide = expansion === 1 ? value : net.relu6(net.conv(value, inner, { kernel: 1 }));
      const depth = net.relu6(net.conv(wide, inner, { kernel: 3, stride, padding: 1, groups: inner }));
      const narrow = net.conv(depth, channels, { kernel: 1, gain: Math.SQRT1_2 });
      value = stride === 1 && before === channels ? net.add(narrow, value) : narrow;
    }
  }
  value = net.relu6(net.conv(value, 1280, { kernel: 1 }));
  return net.finish(net.dense(net.globalAverage(value), 1000));
}

/** Small 3-D CNN at 16x64x64x1: 3x3x3 convolutions with 16, 32, 64 channels, max pooling 2x2x2 between, global average, dense 10. */
export function volume(batch: number, norm = false): Net {
  const net = new NetWriter();
  let value: Value = net.input([batch, 1, 16, 64, 64]);
  for (const [stage, channels] of [16, 32, 64].entries()) {
    if (stage > 0) value = net.maxPool(value, { kernel: 2 });
    value = convRelu(net, value, channels, { kernel: 3, padding: 1 }, norm);
  }
  return net.finish(net.dense(net.globalAverage(value), 10));
}

/** M5 (Dai et al. 2016, table 1: 128, 128, 256, 512 channels; kernel 80 with stride 4, then 3) on 16,000 samples, dense 10. */
export function m5(batch: number, norm = false): Net {
  const net = new NetWriter();
  let value = convRelu(net, net.input([batch, 1, 16000]), 128, { kernel: 80, stride: 4, padding: 38 }, norm);
  for (const channels of [128, 256, 512])
    value = convRelu(net, net.maxPool(value, { kernel: 4 }), channels, { kernel: 3, padding: 1 }, norm);
  value = net.maxPool(value, { kernel: 4 });
  return net.finish(net.dense(net.globalAverage(value), 10));
}

function convRelu(
  net: NetWriter,
  input: Value,
  channels: number,
  options: { kernel: number; stride?: number; padding: number },
  norm: boolean,
): Value {
  const value = net.conv(input, channels, { ...options, bias: !norm });
  return net.relu(norm ? net.batchNorm(value) : value);
}

const bound = 1e-4;

export function modelCases(): Case[] {
  const forward = (name: string, net: Net): Case => ({ name, kind: "forward", net, bound });
  return [
    forward("LeNet-5, 28x28", lenet5(1)),
    forward("ResNet-18, 224x224", resnet18(1)),
    forward("MobileNetV2, 224x224", mobilenetv2(1)),
    forward("3-D CNN, 16x64x64", volume(1)),
    forward("M5 audio, 16000 samples", m5(1)),
  ];
}

/** The nets whose time from process start to the first result is taken. */
export function startCases(): Case[] {
  return modelCases().filter(({ name }) => /LeNet|MobileNet/.test(name));
}
