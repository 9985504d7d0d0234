import { size } from "../base/types.ts";
import type { Dataset, Split } from "../data/dataset.ts";
import { shapeAt } from "../data/unequal.ts";
import type { Picture } from "./report/data.ts";
import type { Scores } from "./scores.ts";

/** One example and what the net said of it. */
export interface JudgedExample {
  readonly index: number;
  readonly file?: string;
  readonly given: string;
  readonly predicted: string;
  readonly probability: number;
}

/** The examples of some indices, with what the net said; none where it does not classify. */
function judged(split: Split, { predicted, probability }: Scores, classes: readonly string[], indices: readonly number[]): JudgedExample[] {
  if (predicted === undefined || probability === undefined) return [];
  return indices.map((index) => ({
    index,
    ...(split.names && { file: split.names[index] }),
    given: classes[split.labels[index]],
    predicted: classes[predicted[index]],
    probability: probability[index],
  }));
}

/** Wrong ones, the surest first, and one right one of every class. */
export function judge(
  split: Split,
  scores: Scores,
  classes: readonly string[],
  limit: number,
): { wrong: JudgedExample[]; right: JudgedExample[] } {
  const { predicted = split.labels, probability = [] } = scores;
  const all = Array.from({ length: split.count }, (_, index) => index);
  const wrong = all.filter((index) => predicted[index] !== split.labels[index]).sort((a, b) => probability[b] - probability[a] || a - b);
  const first = new Map<number, number>();
  for (const index of all) if (predicted[index] === split.labels[index] && !first.has(predicted[index])) first.set(predicted[index], index);
  const right = [...first].sort(([a], [b]) => a - b).map(([, index]) => index);
  return { wrong: judged(split, scores, classes, wrong.slice(0, limit)), right: judged(split, scores, classes, right.slice(0, limit)) };
}

/** Some examples spread over the part, whatever the net said of them. */
export function spread(split: Split, scores: Scores, classes: readonly string[], count: number): JudgedExample[] {
  const shown = Math.min(count, split.count);
  // the golden section spreads any number of places evenly, and falls in step with no order of classes
  const indices = Array.from({ length: shown }, (_, place) => Math.floor(((0.5 + place * 0.6180339887498949) % 1) * split.count));
  return judged(split, scores, classes, indices);
}

/** An example as a picture, with the normalisation taken back; of other than 1 or 3 channels the first. */
export function pictureOf(data: Dataset, split: Split, index: number): Picture {
  const [channels, ...extents] = shapeAt(data.shape, split.extents, index);
  const cells = size(extents);
  const all = new Float32Array(channels * cells);
  split.read(index, all, 0);
  const shown = channels === 3 ? 3 : 1;
  const { mean, deviation } = data.normalisation;
  const pixels = all.subarray(0, shown * cells).map((value, cell) => {
    const channel = Math.floor(cell / cells);
    return value * deviation[channel] + mean[channel];
  });
  const place = split.examples?.data.place;
  const isBytes = place !== undefined && (place.kind === "files" || place.pixels instanceof Uint8Array);
  return { channels: shown, extents, data: pixels, ...(isBytes && { low: 0, high: 1 }) };
}
