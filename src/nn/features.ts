import { fail, Problems } from "../base/errors.ts";
import type { Tensor } from "../base/types.ts";
import { call, constant, operand, type Value } from "../ops/contract.ts";
import { pointwise } from "../ops.ts";
import { givenCells } from "./initialisers.ts";
import { frozen, named } from "./layers/compose.ts";
import { type LayerWith, layer } from "./layers/layer.ts";
import { type ConvOptions, conv } from "./layers/linear.ts";

/** A Gabor function: a Gaussian times a cosine wave, as simple cells of the visual cortex weigh an image. */
export interface Gabor {
  /** Height alpha. Default 1. */
  readonly alpha?: number;
  /** Decay across the wave, 1 / cells^2. */
  readonly betaX: number;
  /** Decay along the wave's crests, 1 / cells^2. */
  readonly betaY: number;
  /** Frequency of the wave, radians per cell. */
  readonly f: number;
  /** Phase offset, radians. Default 0. */
  readonly phi?: number;
  /** Centre, cells from the middle of the kernel. Default 0. */
  readonly x0?: number;
  readonly y0?: number;
  /** Direction of the wave, radians. Default 0: across the columns. */
  readonly tau?: number;
}

/**
 * w(x, y) = alpha exp(-betaX x'^2 - betaY y'^2) cos(f x' + phi), x' = (x - x0) cos tau + (y - y0) sin tau, y' = -(x - x0) sin tau + (y - y0) cos tau.
 * Source: Goodfellow et al. 2016, eq. 9.15 to 9.17.
 * Units: x across the columns, y down the rows, cells.
 */
export function gabor({ alpha = 1, betaX, betaY, f, phi = 0, x0 = 0, y0 = 0, tau = 0 }: Gabor, x: number, y: number): number {
  const [cosine, sine] = [Math.cos(tau), Math.sin(tau)];
  const across = (x - x0) * cosine + (y - y0) * sine;
  const along = -(x - x0) * sine + (y - y0) * cosine;
  return alpha * Math.exp(-betaX * across ** 2 - betaY * along ** 2) * Math.cos(f * across + phi);
}

function checkGabors(gabors: readonly Gabor[], extent: number): void {
  const problems = new Problems("gabor");
  problems.check(gabors.length > 0, "functions", ">= 1", gabors.length);
  problems.check(Number.isInteger(extent) && extent >= 1, "kernel extent", "a whole number >= 1", extent);
  gabors.forEach(({ betaX, betaY, ...rest }, index) => {
    problems.check(betaX >= 0 && betaY >= 0, `decays of function ${index}`, ">= 0", `${betaX}, ${betaY}`);
    const wrong = Object.entries(rest).find(([, value]) => !Number.isFinite(value));
    problems.check(wrong === undefined, `${wrong?.[0]} of function ${index}`, "a finite number", wrong?.[1]);
  });
  problems.throwIfAny();
}

/**
 * Gabor functions as kernels of a convolution, sampled at the cells around the middle.
 * Shapes: [functions, channels, extent, extent]; every channel has the same kernel.
 * Throws: when an extent is no whole number, or a decay is below 0.
 * Example: `conv(8, { kernel: 9, bias: false, initialiser: givenCells(gaborKernels(gaborBank({ extent: 9, orientations: 8 }), { extent: 9 })) })`
 */
export function gaborKernels(
  gabors: readonly Gabor[],
  { extent, channels = 1 }: { readonly extent: number; readonly channels?: number },
): Tensor & { readonly data: Float32Array } {
  checkGabors(gabors, extent);
  const middle = (extent - 1) / 2;
  const cells = extent * extent;
  const data = new Float32Array(gabors.length * channels * cells);
  gabors.forEach((parameters, index) => {
    for (let channel = 0; channel < channels; channel++) {
      for (let cell = 0; cell < cells; cell++) {
        const [x, y] = [(cell % extent) - middle, Math.floor(cell / extent) - middle];
        data[(index * channels + channel) * cells + cell] = gabor(parameters, x, y);
      }
    }
  });
  return { dtype: "f32", shape: [gabors.length, channels, extent, extent], data };
}

/** Gabor functions of evenly spread directions for a kernel's extent: a Gaussian that falls to 1 % at its border, one wave in it, for each of `frequencies` (waves per extent). */
export function gaborBank({
  extent,
  orientations = 8,
  frequencies = [2],
  phi = 0,
}: {
  readonly extent: number;
  readonly orientations?: number;
  readonly frequencies?: readonly number[];
  readonly phi?: number;
}): Gabor[] {
  const beta = Math.log(100) / (extent / 2) ** 2;
  return frequencies.flatMap((waves) =>
    Array.from({ length: orientations }, (_, index) => ({
      // the same strength for every kernel: about the norm of one cell
      alpha: 4 / extent,
      ...{ betaX: beta, betaY: beta, f: (2 * Math.PI * waves) / extent, phi, tau: (Math.PI * index) / orientations },
    })),
  );
}

/**
 * Simple cell: s(I) = sum over cells of w(x, y) I(x, y), w a Gabor function about the middle of the image.
 * Source: Goodfellow et al. 2016, eq. 9.14.
 * Shapes: image [rows, columns] -> a number.
 */
export function simpleCell({ shape: [rows, columns], data }: Pick<Tensor, "shape" | "data">, parameters: Gabor): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      sum += gabor(parameters, column - (columns - 1) / 2, row - (rows - 1) / 2) * data[row * columns + column];
    }
  }
  return sum;
}

/** The function a quarter of a wave further on: with it a quadrature pair. */
export const quadrature = (parameters: Gabor): Gabor => ({ ...parameters, phi: (parameters.phi ?? 0) + Math.PI / 2 });

/**
 * Complex cell: c(I) = sqrt(s0(I)^2 + s1(I)^2), s0 and s1 simple cells of a quadrature pair; it answers to a wave of its frequency and direction whatever its phase.
 * Source: Goodfellow et al. 2016, section 9.10; Hyvarinen and Hoyer 2000.
 */
export const complexCell = (image: Pick<Tensor, "shape" | "data">, parameters: Gabor): number =>
  Math.hypot(simpleCell(image, parameters), simpleCell(image, quadrature(parameters)));

export interface ComplexCellOptions extends Pick<ConvOptions, "stride" | "padding"> {
  /** Extent of the kernels. */
  readonly extent: number;
}

/**
 * Complex cells at every place: Z = sqrt((K0 * V)^2 + (K1 * V)^2), K0 and K1 the kernels of a quadrature pair, which are not trained.
 * Source: Goodfellow et al. 2016, section 9.10.
 * Shapes: [N, 1, rows, columns] -> [N, functions, ...m].
 * Throws: when the input has several channels, or kernels do not fit.
 * Example: `complexCells(gaborBank({ extent: 7, orientations: 6 }), { extent: 7, stride: 2 })`
 */
export function complexCells(gabors: readonly Gabor[], { extent, ...options }: ComplexCellOptions): LayerWith<ComplexCellOptions> {
  const simple = (name: string, list: readonly Gabor[]) =>
    frozen(
      named(name, conv(list.length, { ...options, kernel: extent, bias: false, initialiser: givenCells(gaborKernels(list, { extent })) })),
    );
  const [even, odd] = [simple("even", gabors), simple("odd", gabors.map(quadrature))];
  const squares = call("add", call("square", operand(0)), call("square", operand(1)));
  // a little more than zero, where the root has no slope
  const formula = call("sqrt", call("add", squares, constant(1e-12)));
  return layer("complexCells", { extent, ...options }, (input: Value, scope) => {
    const channels = input.type.shape[1];
    if (channels !== 1) fail("complexCells", "", "input channels", "1", channels, "Put a 1x1 convolution before it.");
    return pointwise(formula, [scope.apply(even, input), scope.apply(odd, input)]);
  });
}
