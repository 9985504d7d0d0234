import { Command, Option } from "commander";
import { type LayerCost, nearName } from "../../inspect/attribute.ts";
import type { NetCost } from "../../inspect/measure.ts";
import type { NetSummary } from "../../inspect/summary.ts";
import { printBytes, printTime } from "../../train/report/units.ts";
import { extents, oneOf, wholeNumber } from "../arguments.ts";
import { type Context, printJson, printLine } from "../context.ts";
import { printCount, printShare, printTable } from "../print.ts";

interface Flags {
  readonly input?: number[];
  readonly classes: number;
  readonly measure?: boolean;
  readonly training?: boolean;
  readonly batch: number;
  readonly tune?: boolean;
  readonly threads?: number;
  readonly tier?: "wide" | "relaxed" | "plain";
  readonly runs: string;
  readonly json?: boolean;
}

/** `inspect MODEL|NAME` */
export function inspectCommand(context: Context): Command {
  return new Command("inspect")
    .description("table of a net's layers: output, parameters, multiply-adds, receptive field; or what each costs on this machine")
    .argument("<model>", "name of a model, file that exports net, model file, or run")
    .option("--input <CxHxW>", "shape of one example, for nets that are not trained", extents)
    .option("--classes <n>", "number of classes, for nets that are not trained", wholeNumber(1), 10)
    .option("--measure", "run it, and print bytes and time of every layer")
    .addOption(
      new Option(
        "--training",
        "measure a training step (forward, backward, update by SGD with momentum) in place of inference; not of model files",
      ).implies({ measure: true }),
    )
    .option("--batch <n>", "examples of one measured run", wholeNumber(1), 1)
    .option("--tune", "measure algorithms on this machine first, in place of predicting their time")
    .option("--threads <n>", "threads of the whole measured run (all cores); layers are timed on one", wholeNumber(1))
    .option("--tier <name>", "highest instruction set that is measured: wide, relaxed, plain", oneOf("wide", "relaxed", "plain"))
    .option("--runs <folder>", "folder of the run folders", "runs")
    .option("--json", "print one JSON object")
    .action(inspect(context));
}

const inspect =
  (context: Context) =>
  async (model: string, { input, classes, runs, json, measure, training, batch, ...session }: Flags): Promise<void> => {
    const { measureLayers, openNet, summarise } = await import("../../node.ts");
    const print = <T extends object>(result: T, lines: (name: string, result: T) => string[]): void => {
      if (json === true) printJson(context, { model, ...result });
      else for (const line of lines(model, result)) printLine(context, line);
    };
    if (measure !== true) return print(summarise((await openNet(model, { input, classes, runs })).traced), printSummary);
    const { traced, tensors } = await openNet(model, { input, classes, runs, batch, training });
    print(await measureLayers(traced, { ...session, tensors }), training === true ? printTrainingCosts : printCosts);
  };

/** The table, with totals. */
export function printSummary(name: string, { inputs, layers, parameters, multiplyAdds }: NetSummary): string[] {
  const rows = layers.map((layer) => [
    layer.path,
    layer.kind,
    layer.output,
    printCount(layer.parameters),
    printCount(layer.multiplyAdds),
    layer.receptiveField ?? "–",
    layer.jump ?? "–",
    layer.start ?? "–",
  ]);
  const head = ["layer", "kind", "output", "parameters", "multiply-adds", "sees", "step", "from"];
  const shapes = inputs.map((input) => `${input.name} [${input.shape.join(", ")}]`).join(", ");
  return [
    `${name}: ${shapes}; numbers are for one example`,
    ...printTable(head, rows, [false, false, false, true, true, true, true, true]),
    `${printCount(parameters)} parameters, ${printCount(multiplyAdds)} multiply-adds; "sees": cells of the input that one cell depends on, "step": input cells between neighbours, "from": the first that cell 0 sees`,
  ];
}

/** What every layer costs in inference. */
export const printCosts = (name: string, cost: NetCost): string[] =>
  costTable(`${name}, inference`, cost, ["output"], ({ output }) => [output]);

/** What every layer costs in a training step. */
export const printTrainingCosts = (name: string, cost: NetCost): string[] =>
  costTable(`${name}, training step`, cost, ["forward", "backward", "update"], ({ phases: { forward, backward, update } }) =>
    [forward, backward, update].map(({ ns }) => (ns === 0 ? "–" : printTime(ns))),
  );

function costTable(title: string, cost: NetCost, own: readonly string[], ownCells: (layer: LayerCost) => string[]): string[] {
  const { batch, session, layers, total, runNs } = cost;
  const rows = layers.map((layer) => {
    const { path, kind, parameters, includes, within } = layer;
    const { multiplyAdds, bytes, ns } = layer.total;
    const measured = [printBytes(bytes), printTime(ns), printShare(ns / total.ns, 1), rate(2 * multiplyAdds, ns), rate(bytes, ns)];
    return [
      path,
      kind,
      ...ownCells(layer),
      printCount(parameters),
      printCount(multiplyAdds),
      ...(ns > 0 ? measured : measured.map(() => "–")),
      within !== undefined
        ? `in ${nearName(within, path)}`
        : includes.map((other, i) => `${i === 0 ? "with " : ""}${nearName(other, path)}`).join(", "),
    ];
  });
  const head = ["layer", "kind", ...own, "parameters", "multiply-adds", "bytes", "time", "share", "GFLOP/s", "GB/s", "fused"];
  const examples = batch === 1 ? "1 example" : `${printCount(batch)} examples`;
  return [
    `${title}; numbers are for one run of ${examples}, times of layers for one thread`,
    ...printTable(
      head,
      rows,
      head.map((word) => !["layer", "kind", "output", "fused"].includes(word)),
    ),
    `${printCount(total.multiplyAdds)} multiply-adds, ${printBytes(total.bytes)}, ${printTime(total.ns)}: ${rate(2 * total.multiplyAdds, total.ns)} GFLOP/s, ${rate(total.bytes, total.ns)} GB/s; the whole run with ${session}: ${printTime(runNs)}`,
    `"bytes": of every value that its steps read or write; "with", "in": layers that one routine computes together are timed as one, multiply-adds stay apart`,
  ];
}

/** In thousand millions a second. */
const rate = (count: number, ns: number): string => (count / ns).toFixed(1);
