import { type Net, NetWriter, type Value } from "../net.ts";
import type { Case } from "./case.ts";
import { lenet5, m5, volume } from "./models.ts";

/*
 * Training steps: forward, mean cross-entropy, backward, SGD with momentum 0.9 (velocity = 0.9 velocity + gradient;
 * parameter = parameter - rate * velocity), on one fixed batch. Batch norm uses the batch's statistics and moves the running ones.
 * The first three losses of all contenders are compared.
 */

/** ResNet-20 for 32x32x3 (He et al. 2015, section 4.2): stages of 16, 32, 64 channels, 3 blocks each; shortcuts by 1x1 convolution and batch norm (option B). */
export function resnet20(batch: number): Net {
  const net = new NetWriter();
  const convNorm = (input: Value, channels: number, kernel: number, stride: number): Value =>
    net.batchNorm(net.conv(input, channels, { kernel, stride, padding: (kernel - 1) / 2, bias: false }));
  let value = net.relu(convNorm(net.input([batch, 3, 32, 32]), 16, 3, 1));
  for (const channels of [16, 32, 64]) {
    for (let block = 0; block < 3; block++) {
      const stride = block === 0 && channels > 16 ? 2 : 1;
      const branch = convNorm(net.relu(convNorm(value, channels, 3, stride)), channels, 3, 1);
      const shortcut = stride === 1 ? value : convNorm(value, channels, 1, stride);
      value = net.relu(net.add(branch, shortcut));
    }
  }
  return net.finish(net.dense(net.globalAverage(value), 10));
}

export function trainingCases(): Case[] {
  const step = (name: string, net: Net): Case => ({ name, kind: "training", net, rate: 0.01, momentum: 0.9, bound: 1e-4 });
  return [
    step("LeNet-5, 28x28, batch 32", lenet5(32)),
    step("ResNet-20, 32x32, batch 32", resnet20(32)),
    step("3-D CNN, 16x64x64, batch 8", volume(8, true)),
    step("M5 audio, 16000 samples, batch 8", m5(8, true)),
  ];
}
