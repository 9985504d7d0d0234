import type { ReportData } from "./data.ts";
import { type Html, html, printCount, printShare } from "./markup.ts";
import { image, type Pixels } from "./pictures.ts";
import { type ClassScore, classScores, mostConfused } from "./scores.ts";

const tableLimit = 40;
const pairLimit = 8;
const foldLimit = 30;
const paper = [245, 247, 249];
const right = [11, 99, 181];
const wrong = [194, 65, 12];

type Matrix = readonly (readonly number[])[];

/** The confusion matrix as a table whose cells are coloured (a picture where classes are many), and the pairs most often confused. */
export function confusionSection({ classes, test }: ReportData): Html | null {
  const confusion = test?.confusion ?? [];
  if (confusion.length === 0) return null;
  const name = (index: number): string => classes[index] ?? String(index);
  const pairs = confusion.length > 3 ? mostConfused(confusion, pairLimit) : [];
  return html`<section id="confusion"><h2>Confusion matrix</h2>
<p class="soft">Rows: the class given. Columns: the class predicted. Colours show shares of the row: blue for right, red for wrong.</p>
<div class="beside">${confusion.length <= tableLimit ? matrixTable(confusion, name) : matrixPicture(confusion)}
${pairs.length > 0 && pairsTable(confusion, pairs, name)}</div>
</section>`;
}

function matrixTable(confusion: Matrix, name: (index: number) => string): Html {
  const upright = confusion.some((_, index) => name(index).length > 4);
  const head = confusion.map((_, index) => html`<th scope="col"><span class="${upright && "upright"}">${name(index)}</span></th>`);
  const rows = confusion.map((row, given) => {
    const total = sum(row);
    const cells = row.map((count, predicted) => {
      if (count === 0) return html`<td class="none">0</td>`;
      const share = count / total;
      // the root keeps a few mistakes among many right ones in sight
      const strength = Math.round(12 + Math.sqrt(share) * 88);
      const kind = `${given === predicted ? "right" : "wrong"}${strength > 55 ? " deep" : ""}`;
      const tip = `${name(given)} predicted as ${name(predicted)}: ${printCount(count)} of ${printCount(total)} (${printShare(share, 1)})`;
      return html`<td class="${kind}" style="--share: ${strength}%" data-tip="${tip}" tabindex="-1">${printCount(count)}</td>`;
    });
    return html`<tr><th scope="row">${name(given)}</th>${cells}</tr>\n`;
  });
  return html`<figure class="matrix"><div class="scroll"><table>
<thead><tr><th></th><th class="axis" colspan="${confusion.length}">predicted</th></tr><tr><th class="axis">given</th>${head}</tr></thead>
<tbody>${rows}</tbody></table></div></figure>`;
}

function matrixPicture(confusion: Matrix): Html {
  const count = confusion.length;
  const data = new Uint8Array(count * count * 4);
  for (const [given, row] of confusion.entries()) {
    const total = Math.max(1, sum(row));
    for (const [predicted, cell] of row.entries()) {
      const strength = Math.sqrt(cell / total);
      const end = given === predicted ? right : wrong;
      const mixed = paper.map((value, channel) => Math.round(value + (end[channel] - value) * strength));
      data.set([...mixed, 255], (given * count + predicted) * 4);
    }
  }
  const pixels: Pixels = { width: count, height: count, data };
  const alt = `Confusion matrix of ${count} classes as a picture; the pairs most often confused and the scores per class are in the tables below.`;
  return html`<figure class="heat">${image(pixels, { alt, side: Math.max(480, count) })}</figure>`;
}

function pairsTable(confusion: Matrix, pairs: ReturnType<typeof mostConfused>, name: (index: number) => string): Html {
  const rows = pairs.map(({ given, predicted, count }) => {
    const share = count / sum(confusion[given]);
    return html`<tr><th scope="row">${name(given)}</th><td>${name(predicted)}</td><td class="number">${printCount(count)}</td><td class="number">${printShare(share, 1)}</td></tr>\n`;
  });
  return html`<div><h3>Most often confused</h3><div class="scroll"><table>
<thead><tr><th scope="col">Given</th><th scope="col">Predicted</th><th scope="col" class="number">Times</th><th scope="col" class="number">Of this class</th></tr></thead>
<tbody>${rows}</tbody></table></div></div>`;
}

/** Precision, recall, F1 and support of every class, and their means. */
export function classSection({ classes, test }: ReportData): Html | null {
  const confusion = test?.confusion ?? [];
  if (confusion.length === 0) return null;
  const scores = classScores(confusion);
  const ofCells = test?.ofCells === true;
  const rows = scores.map(
    (score, index) => html`<tr><th scope="row">${classes[index] ?? index}</th>${scoreCells(score, true, ofCells)}</tr>\n`,
  );
  const table = html`<div class="scroll"><table class="wide">
<thead><tr><th scope="col">Class</th><th scope="col" class="number">${ofCells ? "Cells" : "Examples"}</th><th scope="col" class="number">Precision</th><th scope="col" class="number">Recall</th><th scope="col" class="number">${ofCells ? "Dice" : "F1"}</th>${
    ofCells && html`<th scope="col" class="number">Overlap</th>`
  }</tr></thead>
<tbody>${rows}</tbody>
<tfoot><tr><th scope="row">Mean</th>${scoreCells(meanScore(scores), false, ofCells)}</tr></tfoot></table></div>`;
  return html`<section id="classes"><h2>Scores per class</h2>
<p class="soft">Precision: the share of right ones among those predicted as the class. Recall: among those given as the class. ${
    ofCells ? "Dice: their harmonic mean. Overlap: cells of both, given and predicted, over those of either." : "F1: their harmonic mean."
  }</p>
${scores.length > foldLimit ? html`<details><summary>All ${scores.length} classes</summary>${table}</details>` : table}
</section>`;
}

function scoreCells({ support, precision, recall, f1, overlap }: ClassScore, bars: boolean, ofCells: boolean): Html {
  const cells = [precision, recall, f1, ...(ofCells ? [overlap] : [])].map((value) =>
    bars && !Number.isNaN(value)
      ? html`<td class="number bar" style="--share: ${Math.round(value * 100)}%">${printShare(value)}</td>`
      : html`<td class="number">${printShare(value)}</td>`,
  );
  return html`<td class="number">${printCount(support)}</td>${cells}`;
}

/** Means over the classes that have a value; the support is the sum. */
function meanScore(scores: readonly ClassScore[]): ClassScore {
  const mean = (pick: (score: ClassScore) => number): number => {
    const values = scores.map(pick).filter((value) => !Number.isNaN(value));
    return sum(values) / values.length;
  };
  return {
    support: sum(scores.map(({ support }) => support)),
    precision: mean(({ precision }) => precision),
    recall: mean(({ recall }) => recall),
    f1: mean(({ f1 }) => f1),
    overlap: mean(({ overlap }) => overlap),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
