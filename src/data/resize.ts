/** Interleaved pixels: [height, width, channels]. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** For each output cell of one axis: its first input cell and `taps` weights that sum to 1. */
interface Weights {
  readonly taps: number;
  readonly first: Int32Array;
  readonly weight: Float32Array;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Lanczos window with three lobes. */
const lanczos3 = (x: number): number => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0);

/** Catmull-Rom cubic, for enlarging: it rings less. */
function catmullRom(x: number): number {
  const t = Math.abs(x);
  if (t < 1) return 1.5 * t ** 3 - 2.5 * t ** 2 + 1;
  return t < 2 ? -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2 : 0;
}

/** Weights from `from` cells that cover `extent` cells (a last block may be a part) to `to` cells. */
function weightsOf(from: number, extent: number, to: number): Weights {
  const scale = extent / to;
  const stretch = Math.max(1, scale);
  const support = (scale > 1 ? 3 : 2) * stretch;
  const taps = Math.min(from, Math.ceil(support) * 2 + 1);
  const first = new Int32Array(to);
  const weight = new Float32Array(to * taps);
  for (let cell = 0; cell < to; cell++) {
    const centre = (cell + 0.5) * scale - 0.5;
    const low = Math.ceil(centre - support);
    first[cell] = Math.min(from - taps, Math.max(0, low));
    const row = new Float64Array(taps);
    for (let source = low; source <= centre + support; source++) {
      const value = scale > 1 ? lanczos3((source - centre) / stretch) : catmullRom(source - centre);
      // cells outside repeat the edge
      row[Math.min(from - 1, Math.max(0, source)) - first[cell]] += value;
    }
    const sum = row.reduce((total, value) => total + value, 0);
    for (let tap = 0; tap < taps; tap++) weight[cell * taps + tap] = row[tap] / sum;
  }
  return { taps, first, weight };
}

/** Averages blocks of `across` x `down` cells; the last block may be smaller. */
function boxShrink(raster: Raster, across: number, down: number): Raster {
  const { channels, data } = raster;
  const width = Math.ceil(raster.width / across);
  const height = Math.ceil(raster.height / down);
  const result = new Uint8Array(width * height * channels);
  const sums = new Float64Array(width * channels);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    const rows = Math.min(down, raster.height - y * down);
    for (let row = y * down; row < y * down + rows; row++) {
      const start = row * raster.width * channels;
      for (let x = 0; x < raster.width; x++) {
        const block = Math.floor(x / across) * channels;
        for (let channel = 0; channel < channels; channel++) sums[block + channel] += data[start + x * channels + channel];
      }
    }
    for (let x = 0; x < width; x++) {
      const cells = rows * Math.min(across, raster.width - x * across);
      for (let channel = 0; channel < channels; channel++) {
        result[(y * width + x) * channels + channel] = Math.round(sums[x * channels + channel] / cells);
      }
    }
  }
  return { width, height, channels, data: result };
}

/**
 * Resizes a whole picture to width x height (its aspect is not kept): block averages down to about twice the target, then a Lanczos window; Catmull-Rom to enlarge.
 *
 * Shapes: [height, width, channels] u8, interleaved, both ways.
 */
export function resize(raster: Raster, width: number, height: number): Raster {
  if (raster.width === width && raster.height === height) return raster;
  const across = Math.max(1, Math.floor(raster.width / width / 2));
  const down = Math.max(1, Math.floor(raster.height / height / 2));
  const source = across > 1 || down > 1 ? boxShrink(raster, across, down) : raster;
  const { channels, data } = source;
  const horizontal = weightsOf(source.width, raster.width / across, width);
  const narrow = new Float32Array(source.height * width * channels);
  for (let y = 0, target = 0; y < source.height; y++) {
    for (let x = 0; x < width; x++) {
      const start = (y * source.width + horizontal.first[x]) * channels;
      for (let channel = 0; channel < channels; channel++, target++) {
        let sum = 0;
        for (let tap = 0; tap < horizontal.taps; tap++)
          sum += data[start + tap * channels + channel] * horizontal.weight[x * horizontal.taps + tap];
        narrow[target] = sum;
      }
    }
  }
  const vertical = weightsOf(source.height, raster.height / down, height);
  const row = width * channels;
  const result = new Uint8Array(height * row);
  for (let y = 0; y < height; y++) {
    const start = vertical.first[y] * row;
    for (let cell = 0; cell < row; cell++) {
      let sum = 0;
      for (let tap = 0; tap < vertical.taps; tap++) sum += narrow[start + tap * row + cell] * vertical.weight[y * vertical.taps + tap];
      result[y * row + cell] = sum <= 0 ? 0 : sum >= 255 ? 255 : Math.round(sum);
    }
  }
  return { width, height, channels, data: result };
}
