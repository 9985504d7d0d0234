import type { Layer } from "../scope.ts";
import { axesOf, layer, perAxis } from "./layer.ts";
import { type ConvOptions, conv } from "./linear.ts";

export type SeparableConvOptions = Omit<ConvOptions, "connections">;

/**
 * Spatially separable convolution, one pass for each axis: on two axes k x 1, then 1 x k, with no bias and no nonlinearity between them, so
 * that together they are a kernel of rank one (of rank `channels` over the input channels). The first pass makes the channels.
 * (Depthwise separable is another thing: `depthwiseConv` with the whole kernel, then `conv` with kernel 1.)
 * Source: Goodfellow et al. 2016, section 9.8; Jaderberg, Vedaldi and Zisserman 2014.
 * Shapes: as conv, with channels (channelsIn + channels (axes - 1)) k parameters of the kernels.
 * Example: `separableConv(32, { kernel: 7, padding: "same" })`
 */
export const separableConv = (channels: number, options: SeparableConvOptions): Layer =>
  layer("separableConv", { channels, ...options }, (input, scope) => {
    const axes = axesOf(input);
    const { kernel, stride = 1, dilation = 1, padding = 0, bias, ...rest } = options;
    const kernels = perAxis(kernel, axes, "separableConv", "kernel extents");
    const strides = perAxis(stride, axes, "separableConv", "strides");
    const dilations = perAxis(dilation, axes, "separableConv", "dilations");
    const paddings = perAxis(padding, axes, "separableConv", "padding");
    return kernels.reduce((value, _, axis) => {
      const own = <T>(list: readonly T[], otherwise: T): T[] => list.map((entry, i) => (i === axis ? entry : otherwise));
      const pass = conv(channels, {
        ...rest,
        kernel: own(kernels, 1),
        stride: own(strides, 1),
        dilation: own(dilations, 1),
        padding: own(paddings, 0),
        bias: axis === axes - 1 ? (bias ?? true) : false,
      });
      return scope.within(`axis${axis}`, () => pass.apply(value, scope));
    }, input);
  });
