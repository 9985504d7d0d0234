import type { Dataset, LabelledCells } from "../data/dataset.ts";
import type { NetCost } from "../inspect/measure.ts";
import { summarise } from "../inspect/summary.ts";
import { normalised } from "./cells.ts";
import { judge, pictureOf } from "./examples.ts";
import type { FitResult } from "./fit.ts";
import type { Model } from "./model.ts";
import type { KernelPicture, Picture, ReportData, ReportExample, ReportLabels, ReportTest, ReportValue } from "./report/data.ts";
import { kernelPictures } from "./report/kernels.ts";
import { confusionMatrix } from "./report/scores.ts";

/** What the report says beside the results. */
export interface ReportFacts {
  readonly name: string;
  readonly command: string;
  readonly date: string;
  readonly settings: Readonly<Record<string, ReportValue>>;
  readonly environment: Readonly<Record<string, ReportValue>>;
  readonly seed: number;
  readonly notes: readonly string[];
}

const mostShown = 24;

/** Everything that the report of a run shows; `cost` is that of the layers, where they were measured. */
export async function reportData(facts: ReportFacts, data: Dataset, result: FitResult, cost: NetCost | null): Promise<ReportData> {
  const { history, best, test: scores, model } = result;
  const isClassifying = scores.predicted !== undefined || (best?.accuracy !== undefined && data.classes.length > 0);
  const split = data.test;
  const judged =
    split === undefined || split.labelled !== undefined ? { wrong: [], right: [] } : judge(split, scores, data.classes, mostShown);
  const shown = (list: typeof judged.wrong): ReportExample[] =>
    split === undefined ? [] : list.map(({ index, ...example }) => ({ ...example, picture: pictureOf(data, split, index) }));
  const test = split === undefined || scores.count === 0 ? undefined : testOf(data, split.labels, scores);
  return {
    ...facts,
    classes: isClassifying ? data.classes : [],
    epochs: history.map(({ loss, accuracy, ...rest }) => ({
      ...rest,
      trainLoss: loss,
      ...(accuracy !== undefined && { trainAccuracy: accuracy }),
    })),
    bestEpoch: best?.epoch ?? 0,
    task: isClassifying ? "classification" : "regression",
    ...(test && { test }),
    mistakes: shown(judged.wrong),
    rights: shown(judged.right),
    ...(data.test?.labelled && scores.count > 0 && { labelled: await labelledPictures(model, data.test.labelled) }),
    kernels: firstKernels(model),
    ...layersOf(model, cost),
  };
}

/** The table of layers, with what each was measured to take. */
function layersOf(model: Model, cost: NetCost | null): Pick<ReportData, "layers" | "measured"> {
  const { layers } = summarise(model.traced());
  if (cost === null) return { layers };
  const known = new Map(layers.map((layer) => [layer.path, layer]));
  return {
    layers: cost.layers.map(({ path, kind, output, parameters, total, includes, within }) => ({
      ...(known.get(path) ?? { path, kind, output, parameters, multiplyAdds: total.multiplyAdds }),
      cost: { bytes: total.bytes, ns: total.ns, includes, ...(within !== undefined && { within }) },
    })),
    measured: { session: cost.session, ns: cost.runNs },
  };
}

/** Pictures that are shown with the classes of their cells. */
const mostLabelled = 4;

/** Some pictures spread over the part, with the classes that the net gives to their cells. */
async function labelledPictures(model: Model, labelled: LabelledCells): Promise<ReportLabels[]> {
  const all = [...labelled.pictures()];
  const shown = Math.min(mostLabelled, all.length);
  const last = model.classes.length - 1;
  const result: ReportLabels[] = [];
  try {
    for (let place = 0; place < shown; place++) {
      const picture = all[Math.floor(((place + 0.5) * all.length) / shown)];
      const [channels, ...extents] = picture.shape;
      const { labels } = await model.labelCells(normalised(picture, model.description.normalisation), picture.shape);
      const classes = (numbers: ArrayLike<number>): Picture => ({
        channels: 1,
        extents,
        data: Uint8Array.from(numbers),
        low: 0,
        high: last,
      });
      const counted = picture.labels.reduce((sum, label, cell) => sum + (label === labels[cell] ? 1 : 0), 0);
      result.push({
        file: picture.name,
        picture: { channels: channels === 3 ? 3 : 1, extents, data: picture.pixels },
        given: classes(picture.labels),
        predicted: classes(labels),
        accuracy: counted / labels.length,
      });
    }
    return result;
  } finally {
    await model.close();
  }
}

function testOf({ classes }: Dataset, labels: Int32Array, { predicted, accuracy, loss, count, table }: FitResult["test"]): ReportTest {
  if (table !== undefined) return { loss, count, accuracy, confusion: table, ofCells: true };
  if (predicted === undefined || accuracy === undefined) return { loss, count };
  return { loss, count, accuracy, confusion: confusionMatrix(labels, predicted, classes.length) };
}

/** Kernels of the first layer that has some on 1 to 3 axes. */
function firstKernels(model: Model): KernelPicture[] {
  const first = model.traced().parameters.find(({ type }) => type.shape.length >= 3 && type.shape.length <= 5);
  const tensor = first === undefined ? undefined : model.tensors.get(first.name);
  return tensor?.data instanceof Float32Array ? kernelPictures(tensor.shape, tensor.data) : [];
}
