import { lineChart } from "./charts.ts";
import type { ReportData, ReportEpoch, ReportExample, ReportValue } from "./data.ts";
import { type Html, html, isNumber, printCount, printLarge, printNumber, printSeconds, printShare } from "./markup.ts";
import { showPicture } from "./pictures.ts";

/** The cards at the top: how good, when, how large, how long. */
export function summarySection(data: ReportData): Html {
  const { test, layers, epochs } = data;
  const parameters = layers.reduce((sum, layer) => sum + layer.parameters, 0);
  const multiplyAdds = layers.reduce((sum, layer) => sum + layer.multiplyAdds, 0);
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  return html`<section id="summary" aria-label="Summary"><dl class="cards">
${scoreCard(data)}
${bestCard(data)}
${layers.length > 0 && card("Parameters", printLarge(parameters), `${printCount(parameters)} numbers`)}
${layers.length > 0 && card("Multiply-adds", printLarge(multiplyAdds), "per example")}
${epochs.length > 0 && card("Training time", printSeconds(seconds), `${printSeconds(seconds / epochs.length)} per epoch`)}
${test !== undefined && test.accuracy !== undefined && card("Test loss", printNumber(test.loss), `${printCount(test.count)} examples`)}
</dl>
${data.notes.length > 0 && html`<ul class="notes" aria-label="Notes">${data.notes.map((note) => html`<li>${note}</li>`)}</ul>`}
</section>`;
}

function scoreCard({ test }: ReportData): Html {
  if (test === undefined) return card("Test", "not made", "the run ended before its test", true);
  if (test.accuracy === undefined) return card("Test loss", printNumber(test.loss), `${printCount(test.count)} examples`, true);
  const cells = test.ofCells === true ? (test.confusion ?? []).flat().reduce((sum, count) => sum + count, 0) : test.count;
  const [right, title] = [Math.round(test.accuracy * cells), test.ofCells === true ? "Test accuracy of cells" : "Test accuracy"];
  return card(title, printShare(test.accuracy), `${printCount(right)} of ${printCount(cells)} right`, true);
}

function bestCard({ epochs, bestEpoch }: ReportData): Html | null {
  const best = epochs.find(({ epoch }) => epoch === bestEpoch);
  if (best === undefined) return null;
  const accuracy = isNumber(best.validationAccuracy) && `validation ${printShare(best.validationAccuracy)}`;
  const loss = isNumber(best.validationLoss) && `validation loss ${printNumber(best.validationLoss)}`;
  return card(
    "Best epoch",
    `${bestEpoch} of ${epochs[epochs.length - 1].epoch}`,
    accuracy || loss || `train loss ${printNumber(best.trainLoss)}`,
  );
}

function card(title: string, value: string, more: string, main = false): Html {
  return html`<div class="${main && "main"}"><dt>${title}</dt><dd class="value">${value}</dd><dd class="more">${more}</dd></div>`;
}

/** Loss, accuracy and learning rate by epoch, as charts and as a table. */
export function curvesSection({ epochs, bestEpoch }: ReportData): Html | null {
  if (epochs.length === 0) return null;
  const has = (pick: (epoch: ReportEpoch) => number | undefined): boolean => epochs.some((epoch) => isNumber(pick(epoch)));
  const numbers = epochs.map(({ epoch }) => epoch);
  const chart = (id: string, title: string, unit: "share" | "number", curves: Parameters<typeof lineChart>[0]["curves"]): Html | null => {
    const shown = curves.filter(({ values }) => values.some(isNumber));
    if (shown.length === 0) return null;
    return html`<figure><figcaption>${title}</figcaption>${lineChart({ id, title, unit, epochs: numbers, curves: shown, bestEpoch })}</figure>\n`;
  };
  const train = { name: "train", color: "var(--first)" };
  const validation = { name: "validation", color: "var(--second)", dashed: true };
  return html`<section id="curves"><h2>Curves</h2><div class="charts">
${chart("loss", "Loss", "number", [
  { ...train, values: epochs.map(({ trainLoss }) => trainLoss) },
  { ...validation, values: epochs.map(({ validationLoss }) => validationLoss) },
])}${chart("accuracy", "Accuracy", "share", [
  { ...train, values: epochs.map(({ trainAccuracy }) => trainAccuracy) },
  { ...validation, values: epochs.map(({ validationAccuracy }) => validationAccuracy) },
])}${chart("rate", "Learning rate", "number", [
  { name: "learning rate", color: "var(--first)", values: epochs.map(({ learningRate }) => learningRate) },
])}</div>
<details><summary>All epochs as a table</summary>${epochTable(epochs, bestEpoch, has)}</details>
</section>`;
}

function epochTable(
  epochs: readonly ReportEpoch[],
  bestEpoch: number,
  has: (pick: (epoch: ReportEpoch) => number | undefined) => boolean,
): Html {
  const all: readonly (readonly [string, (epoch: ReportEpoch) => number | undefined, (value: number | undefined) => string])[] = [
    ["Train loss", ({ trainLoss }) => trainLoss, printNumber],
    ["Train accuracy", ({ trainAccuracy }) => trainAccuracy, (value) => printShare(value)],
    ["Validation loss", ({ validationLoss }) => validationLoss, printNumber],
    ["Validation accuracy", ({ validationAccuracy }) => validationAccuracy, (value) => printShare(value)],
    ["Learning rate", ({ learningRate }) => learningRate, printNumber],
    ["Seconds", ({ seconds }) => seconds, (value) => (value === undefined ? "–" : value.toFixed(2))],
  ];
  const columns = all.filter(([, pick]) => has(pick));
  const head = columns.map(([title]) => html`<th scope="col" class="number">${title}</th>`);
  const rows = epochs.map((epoch) => {
    const cells = columns.map(([, pick, print]) => html`<td class="number">${print(pick(epoch))}</td>`);
    return html`<tr><th scope="row">${epoch.epoch}${epoch.epoch === bestEpoch && html` <b>best</b>`}</th>${cells}</tr>\n`;
  });
  return html`<div class="scroll"><table><thead><tr><th scope="col">Epoch</th>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

/** Examples that the net got most wrong, and some that it got right. */
export function examplesSection({ task, test, mistakes, rights }: ReportData): Html | null {
  if (test === undefined && mistakes.length === 0 && rights.length === 0) return null;
  const regression = task === "regression";
  if (test?.ofCells === true) return null;
  const none = test?.accuracy === 1 ? `No mistake among ${printCount(test.count)} test examples.` : "None were kept.";
  return html`<section id="mistakes"><h2>${regression ? "Largest errors" : "Worst mistakes"}</h2>
${mistakes.length > 0 ? gallery(mistakes) : html`<p>${none}</p>`}
</section>
${rights.length > 0 && html`<section id="rights"><h2>${regression ? "Some of the closest" : "Some right ones"}</h2>${gallery(rights)}</section>`}`;
}

function gallery(examples: readonly ReportExample[]): Html {
  const items = examples.map(({ file, given, predicted, probability, picture }) => {
    const share = isNumber(probability) && ` (${printShare(probability, 1)})`;
    const alt = `Example${file === undefined ? "" : ` ${file}`}: given ${given}, predicted ${predicted}${share || ""}`;
    return html`<li>${showPicture(picture, { alt, side: 116 })}given <b>${given}</b><br>predicted <b>${predicted}</b>${share}${
      file !== undefined && html`<span class="file" title="${file}"><bdi>${file}</bdi></span>`
    }</li>\n`;
  });
  return html`<ul class="gallery">${items}</ul>`;
}

/** Pictures with the classes of their cells, given and predicted. */
export function labelsSection({ labelled = [] }: ReportData): Html | null {
  if (labelled.length === 0) return null;
  const rows = labelled.map(({ file, accuracy, ...pictures }) => {
    const names = { picture: "picture", given: "given", predicted: "predicted" } as const;
    const shown = Object.values(names).map(
      (name) =>
        html`<figure>${showPicture(pictures[name], { alt: `${file}: ${name}`, side: 192 })}<figcaption>${name}</figcaption></figure>\n`,
    );
    return html`<li>${shown}<p class="soft">${file}: ${printShare(accuracy, 1)} of the cells are right</p></li>\n`;
  });
  return html`<section id="labelled"><h2>Labelled pictures</h2>
<p class="soft">Of the test, spread over it. Classes run from dark to bright in the order of the table above.</p><ul class="labelled">${rows}</ul></section>`;
}

/** Kernels of the first layer. */
export function kernelsSection({ kernels }: ReportData): Html | null {
  if (kernels.length === 0) return null;
  const { channels, extents } = kernels[0].picture;
  const ends = channels === 3 ? "Zero is grey" : "Blue is below zero, red above";
  const key = html`<span class="key ${channels === 3 && "colour"}" role="presentation"></span>`;
  const text =
    extents.length === 1
      ? html`Taps from left to right; the line in the middle is zero.`
      : html`${ends}: <span class="together">−${key}+</span>${extents.length === 3 && " Slices along the first axis, row by row."}`;
  const items = kernels.map(
    ({ caption, picture }) => html`<li>${showPicture(picture, { alt: `Kernel: ${caption}`, side: 80, signed: true })}${caption}</li>\n`,
  );
  return html`<section id="kernels"><h2>First-layer kernels</h2>
<p class="soft">Each is scaled by its own largest magnitude. ${text}</p><ul class="gallery small">${items}</ul></section>`;
}

/** What it takes to make the run again. */
export function repeatSection({ command, seed, settings, environment }: ReportData): Html {
  return html`<section id="repeat"><h2>Repeat this run</h2>
<pre><code>${command}</code></pre>
<p>Seed: <b>${seed}</b></p>
<div class="columns">${pairs("Settings", settings)}${pairs("Environment", environment)}</div></section>`;
}

function pairs(title: string, values: Readonly<Record<string, ReportValue>>): Html {
  const rows = Object.entries(values).map(([key, value]) => html`<tr><th scope="row">${key}</th><td>${printValue(value)}</td></tr>\n`);
  if (rows.length === 0) return html``;
  return html`<div><h3>${title}</h3><table class="pairs wide"><tbody>${rows}</tbody></table></div>`;
}

function printValue(value: ReportValue): string {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "object") return String(value);
  const plain = Array.isArray(value) && value.every((item) => typeof item !== "object");
  return plain ? value.join(", ") : JSON.stringify(value);
}
