import type { Dataset } from "../data/dataset.ts";
import type { Target } from "../graph/session.ts";
import type { NetCost } from "../inspect/measure.ts";
import type { Net } from "../nn/scope.ts";
import { describeEnvironment } from "./environment.ts";
import { type FitResult, fit, type Keeper, type RunFacts } from "./fit.ts";
import type { Progress } from "./history.ts";
import type { ReportValue } from "./report/data.ts";
import type { RunFolder } from "./run-folder.ts";
import { chooseSettings, type FitOptions } from "./settings.ts";

/** How a run is kept. */
export interface KeepOptions {
  /** Gives the folder, made or locked, when everything is ready to run. */
  readonly folder: () => Promise<RunFolder>;
  /** The line that repeats the run. */
  readonly command: string;
  /** What the command line needs to go on with it: plain data. */
  readonly request?: unknown;
  readonly onStart?: (facts: RunFacts, progress: Progress, folder: RunFolder) => void;
}

/**
 * `fit` with a run folder: config, metrics, checkpoints and the best model while it runs, the report at its end.
 * A folder that nothing could be kept in is removed again.
 * Throws: ToeplitzError as `fit`, and when the folder cannot be written.
 */
export async function fitInFolder(
  net: Net,
  data: Dataset,
  options: FitOptions,
  target: Target,
  keep: KeepOptions,
): Promise<FitResult & { folder: RunFolder }> {
  let folder: RunFolder | undefined;
  let config: Record<string, unknown> | undefined;
  let environment: Record<string, string | number> = {};
  const keeper: Keeper = {
    async begin(facts) {
      folder = await keep.folder();
      environment = await describeEnvironment(facts.session);
      config = describeRun(folder.name, data, facts, keep, environment);
      return folder.isNew ? null : folder.load();
    },
    async save(checkpoint, model) {
      // a run that cannot go on leaves the folder as it was, so not before now
      if (config !== undefined) await folder?.write("config", `${JSON.stringify(config, null, 2)}\n`);
      config = undefined;
      await folder?.save(checkpoint, model);
    },
    started: (facts, progress) => keep.onStart?.(facts, progress, folder as RunFolder),
  };
  try {
    const result = await fit(net, data, options, target, keeper);
    const kept = folder as RunFolder;
    const { renderReport } = await import("./report/report.ts");
    const { reportData } = await import("./make-report.ts");
    const { cost, notes: unmeasured } = await costOf(result, options, target);
    const date = `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`;
    const notes = [...endingNotes(result, options), ...result.notes, ...unmeasured, ...data.notes];
    const settings: Record<string, ReportValue> = JSON.parse(JSON.stringify({ data: data.name, ...chooseSettings(data, options).plain }));
    const facts = { name: kept.name, command: keep.command, date, settings, environment, seed: options.seed ?? 0, notes };
    await kept.write("report", renderReport(await reportData(facts, data, result, cost)));
    return { ...result, folder: kept };
  } finally {
    await folder?.close();
  }
}

/** How long layers are measured for the report, ms. */
const measuringTime = 200;

/** What the layers of the model take; an interrupted run does not wait for it, and a report is written whatever comes of it. */
async function costOf(
  { model, ending }: FitResult,
  { threads, tier, rounding }: FitOptions,
  target: Target,
): Promise<{ cost: NetCost | null; notes: string[] }> {
  if (ending === "signal") return { cost: null, notes: [] };
  const { measureLayers } = await import("../inspect/measure.ts");
  try {
    const options = { threads, tier, rounding, tensors: model.tensors, budget: measuringTime };
    return { cost: await measureLayers(model.traced(), target, options), notes: [] };
  } catch (error) {
    return { cost: null, notes: [`layers were not measured: ${(error as Error).message.split("\n")[0]}`] };
  }
}

function endingNotes({ ending, history, best }: FitResult, { patience }: FitOptions): string[] {
  if (ending === "epochs") return [];
  if (ending === "patience")
    return [`stopped at epoch ${history.length}: no lower validation loss for ${patience} epochs after epoch ${best?.epoch}`];
  return [`${ending === "signal" ? "interrupted" : "stopped by a callback"} after ${history.length} whole epochs`];
}

/** What `config.json` says. */
function describeRun(name: string, data: Dataset, facts: RunFacts, keep: KeepOptions, environment: object): Record<string, unknown> {
  const { train, validation, test, shape, classes, normalisation, notes } = data;
  const examples = { train: train.count, validation: validation?.count ?? 0, test: test?.count ?? 0 };
  return {
    name,
    command: keep.command,
    request: keep.request ?? null,
    data: { name: data.name, shape, classes, examples, normalisation, notes },
    settings: facts.settings.plain,
    parameters: facts.parameters,
    environment,
  };
}
