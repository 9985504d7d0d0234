import { Command } from "commander";
import type { NetSummary } from "../../inspect/summary.ts";
import { extents, wholeNumber } from "../arguments.ts";
import { type Context, printJson, printLine } from "../context.ts";
import { printCount, printTable } from "../print.ts";

interface Flags {
  readonly input?: number[];
  readonly classes: number;
  readonly runs: string;
  readonly json?: boolean;
}

/** `inspect MODEL|NAME` */
export function inspectCommand(context: Context): Command {
  return new Command("inspect")
    .description("table of a net's layers: output, parameters, multiply-adds, receptive field")
    .argument("<model>", "name of a model, file that exports net, model file, or run")
    .option("--input <CxHxW>", "shape of one example, for nets that are not trained", extents)
    .option("--classes <n>", "number of classes, for nets that are not trained", wholeNumber(1), 10)
    .option("--runs <folder>", "folder of the run folders", "runs")
    .option("--json", "print one JSON object")
    .action(async (model: string, { input, classes, runs, json }: Flags) => {
      const { openNet, summarise } = await import("../../node.ts");
      const summary = summarise((await openNet(model, { input, classes, runs })).traced);
      if (json === true) printJson(context, { model, ...summary });
      else for (const line of printSummary(model, summary)) printLine(context, line);
    });
}

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
