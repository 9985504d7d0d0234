import { nearName } from "../../inspect/attribute.ts";
import type { ReportData, ReportLayer } from "./data.ts";
import { type Html, html, printCount } from "./markup.ts";
import { printBytes, printTime } from "./units.ts";

/** A column: what a layer has there, and its share of all layers as a bar. */
interface Column {
  readonly title: string;
  readonly count: (layer: ReportLayer) => number;
  readonly print: (count: number) => string;
}

const counts: readonly Column[] = [
  { title: "Parameters", count: ({ parameters }) => parameters, print: printCount },
  { title: "Multiply-adds", count: ({ multiplyAdds }) => multiplyAdds, print: printCount },
];
const costs: readonly Column[] = [
  { title: "Bytes", count: ({ cost }) => cost?.bytes ?? 0, print: printBytes },
  { title: "Time", count: ({ cost }) => cost?.ns ?? 0, print: printTime },
];

/** The table of layers. */
export function layersSection({ layers, measured }: ReportData): Html | null {
  if (layers.length === 0) return null;
  const isMeasured = layers.some(({ cost }) => cost !== undefined);
  const fields = layers.some(({ receptiveField }) => receptiveField !== undefined);
  const columns = (isMeasured ? [...counts, ...costs] : counts).map((column) => ({
    ...column,
    total: layers.reduce((sum, layer) => sum + column.count(layer), 0),
  }));
  const rows = layers.map((layer) => {
    const cells = columns.map(({ count, print, total }) => {
      const own = count(layer);
      const isElsewhere = costs.some((cost) => cost.count === count) && own === 0;
      if (isElsewhere) return html`<td class="number soft">–</td>`;
      return html`<td class="number bar" style="--share: ${Math.round((100 * own) / Math.max(1, total))}%">${print(own)}</td>`;
    });
    return html`<tr><th scope="row"><code>${layer.path}</code></th><td class="side">${layer.kind}</td><td class="side"><code>${layer.output}</code></td>${cells}${
      fields && html`<td class="number">${layer.receptiveField ?? "–"}</td>`
    }${isMeasured && html`<td class="fused">${fusedText(layer)}</td>`}</tr>\n`;
  });
  return html`<section id="layers"><h2>Layers</h2>
${measured !== undefined && html`<p class="soft">Numbers are for one example. Bytes are those that a layer's steps read and write, times were measured on one thread; a whole run takes ${printTime(measured.ns)} with ${measured.session}. What one routine computes together is timed as one.</p>`}
<div class="scroll"><table class="wide">
<thead><tr><th scope="col">Name</th><th scope="col" class="side">Kind</th><th scope="col" class="side">Output shape</th>${columns.map(
    ({ title }) => html`<th scope="col" class="number">${title}</th>`,
  )}${fields && html`<th scope="col" class="number">Receptive field</th>`}${isMeasured && html`<th scope="col">Fused</th>`}</tr></thead>
<tbody>${rows}</tbody>
<tfoot><tr><th scope="row">Total</th><td class="side"></td><td class="side"></td>${columns.map(
    ({ print, total }) => html`<td class="number">${print(total)}</td>`,
  )}${fields && html`<td></td>`}${isMeasured && html`<td></td>`}</tr></tfoot></table></div></section>`;
}

function fusedText({ path, cost }: ReportLayer): Html | null {
  if (cost?.within !== undefined) return html`in <code>${nearName(cost.within, path)}</code>`;
  const names = cost?.includes ?? [];
  return names.length === 0
    ? null
    : html`with ${names.map((name, index) => html`${index > 0 && ", "}<code>${nearName(name, path)}</code>`)}`;
}
