import type { Dataset } from "../data/dataset.ts";
import type { NetCost } from "../inspect/measure.ts";
import { summarise } from "../inspect/summary.ts";
import { judge, pictureOf } from "./examples.ts";
import type { FitResult } from "./fit.ts";
import type { Model } from "./model.ts";
import type { KernelPicture, ReportData, ReportExample, ReportTest, ReportValue } from "./report/data.ts";
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
export function reportData(facts: ReportFacts, data: Dataset, result: FitResult, cost: NetCost | null): ReportData {
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
