import { classSection, confusionSection } from "./confusion.ts";
import type { ReportData } from "./data.ts";
import { layersSection } from "./layers.ts";
import { type Html, html, trusted } from "./markup.ts";
import { curvesSection, examplesSection, kernelsSection, labelsSection, repeatSection, summarySection } from "./sections.ts";
import { style } from "./style.ts";

/** Nothing may be fetched and nothing may run: pictures and style are in the file itself. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * The report of a run as one HTML file that opens from disk: no script, no network, light and dark. Equal data give equal text.
 * Throws: ToeplitzError where a picture's extents and data do not fit.
 * Example: `await writeFileWhole("runs/digits/report.html", renderReport(data))`
 */
export function renderReport(data: ReportData): string {
  const sections: readonly (readonly [id: string, title: string, section: Html | null])[] = [
    ["curves", "Curves", curvesSection(data)],
    ["confusion", "Confusion matrix", confusionSection(data)],
    ["classes", "Classes", classSection(data)],
    ["mistakes", data.task === "regression" ? "Errors" : "Mistakes", examplesSection(data)],
    ["labelled", "Pictures", labelsSection(data)],
    ["kernels", "Kernels", kernelsSection(data)],
    ["layers", "Layers", layersSection(data)],
    ["repeat", "Repeat", repeatSection(data)],
  ];
  const present = sections.filter(([, , section]) => section !== null);
  const links = present.map(([id, title]) => html`<a href="#${id}">${title}</a> `);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${data.name} – toeplitz report</title>
<style>${trusted(style)}</style>
</head>
<body>
<header>
<h1>${data.name}</h1>
<p class="soft">${data.date}</p>
<nav aria-label="Parts of the report">${links}</nav>
</header>
<main>
${summarySection(data)}
${present.map(([, , section]) => section)}
</main>
<footer>Made by toeplitz. Works without a network.</footer>
</body>
</html>
`.markup;
}
