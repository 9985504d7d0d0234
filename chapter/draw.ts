import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

/** Colours of the drawings on light and on dark pages. */
const scheme =
  "<style>svg{--paper:#fff;--ink:#1b1f24;--soft:#59636e;--line:#d5d9de;--c0:#2f6fde;--c1:#d9622b;--c2:#2a9257;--c3:#9a4fd0}" +
  "@media (prefers-color-scheme:dark){svg{--paper:#14171b;--ink:#e8eaed;--soft:#a0a8b1;--line:#3a414a;--c0:#6ea2ff;--c1:#ff9466;--c2:#58c98b;--c3:#c48bf2}}</style>";

/** Keeps a drawing of the running example; its title is what those read who cannot see it. */
export function draw(name: string, svg: string): void {
  const folder = process.env.CHAPTER_DRAWINGS;
  if (folder !== undefined) writeFileSync(join(folder, `${name}.svg`), svg.endsWith("\n") ? svg : `${svg}\n`);
}

/** One curve, or points where `points` is set. */
export interface Series {
  readonly name: string;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly points?: boolean;
  readonly dashed?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  readonly logX?: boolean;
  readonly logY?: boolean;
}

const [width, height] = [560, 300];
const escapeText = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** A chart as an SVG file that follows the page's light or dark scheme. */
export function chart({ title, x, y, series, logX, logY }: ChartOptions): string {
  use([LineChart, ScatterChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);
  const drawing = init(null, null, { renderer: "svg", ssr: true, width, height });
  const text = { color: "var(--soft)", fontSize: 12 };
  const line = { lineStyle: { color: "var(--line)" } };
  const axis = (name: string, log: boolean | undefined, isX: boolean): object => ({
    type: log === true ? "log" : "value",
    scale: true,
    ...(log === true ? { min: "dataMin", max: "dataMax" } : {}),
    name,
    nameLocation: "middle",
    nameGap: isX ? 26 : 48,
    nameTextStyle: text,
    axisLabel: text,
    axisLine: { ...line, show: true, onZero: false },
    axisTick: line,
    splitLine: { show: !isX, ...line },
  });
  drawing.setOption({
    animation: false,
    textStyle: { fontFamily: "system-ui, sans-serif" },
    grid: { left: 70, right: 20, top: series.length > 1 ? 40 : 16, bottom: 46 },
    legend: { show: series.length > 1, top: 4, itemGap: 30, itemWidth: 20, textStyle: { color: "var(--ink)", fontSize: 12 } },
    xAxis: axis(x, logX, true),
    yAxis: axis(y, logY, false),
    series: series.map(({ name, x: along, y: up, points, dashed }, i) => ({
      type: points === true ? "scatter" : "line",
      name,
      color: `var(--c${i % 4})`,
      data: Array.from(along, (at, k) => [at, round(up[k])]),
      symbol: "circle",
      symbolSize: points === true ? 4 : 5,
      showSymbol: along.length <= 12,
      lineStyle: { width: 2, type: dashed === true ? [6, 4] : "solid" },
    })),
  });
  const svg = drawing.renderToSVGString({ useViewBox: true });
  drawing.dispose();
  return svg
    .replace(/<style[\s\S]*?<\/style>/g, "")
    .replace(/ class="zr[^"]*"/g, "")
    .replace(/\bzr\d+-/g, "d-")
    .replace(/ ecmeta_\w+="[^"]*"/g, "")
    .replace(/ pointer-events="visible"/g, "")
    .replace(/^<svg [^>]*>/, opening(title, width, height))
    .replace(/>\n+/g, ">");
}

/** Four digits are more than a drawing shows, and the same on every machine. */
const round = (value: number): number => Number(value.toPrecision(4));

const opening = (title: string, w: number, h: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="${escapeText(title)}"><title>${escapeText(title)}</title>${scheme}<rect width="${w}" height="${h}" fill="var(--paper)"/>`;

/** A grid of numbers as squares, from blue (least) over paper (zero) to orange (largest); NaN is paper. */
export interface Picture {
  readonly caption: string;
  readonly rows: number;
  readonly columns: number;
  readonly cells: ArrayLike<number>;
}

export interface PictureOptions {
  readonly side?: number;
  readonly perRow?: number;
}

/** Pictures side by side, each with its own scale, symmetric around zero. */
export function pictures(title: string, list: readonly Picture[], { side = 150, perRow = list.length }: PictureOptions = {}): string {
  const [gap, captionHeight] = [16, 24];
  const columnsOf = Math.min(perRow, list.length);
  const tallest = Math.max(...list.map(({ rows, columns }) => rows / columns)) * side;
  const w = gap + columnsOf * (side + gap);
  const h = gap + Math.ceil(list.length / columnsOf) * Math.ceil(tallest + captionHeight);
  const parts = list.map((picture, i) => {
    const [left, top] = [gap + (i % columnsOf) * (side + gap), gap + Math.floor(i / columnsOf) * Math.ceil(tallest + captionHeight)];
    return `<g transform="translate(${left} ${top})">${onePicture(picture, side)}</g>`;
  });
  return `${opening(title, w, h)}${parts.join("")}</svg>`;
}

function onePicture({ caption, rows, columns, cells }: Picture, side: number): string {
  const unit = side / columns;
  const most = Array.from(cells).reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
  // one path for each of 20 shades on either side of zero
  const shades = new Map<number, string[]>();
  for (let at = 0; at < rows * columns; at++) {
    const shade = Math.round((20 * cells[at]) / most + 1e-9);
    if (shade === 0 || Number.isNaN(shade)) continue;
    const path = shades.get(shade) ?? [];
    path.push(`M${at % columns} ${Math.floor(at / columns)}h1v1h-1z`);
    shades.set(shade, path);
  }
  const squares = [...shades]
    .sort(([a], [b]) => a - b)
    .map(([shade, path]) => `<path fill="var(--c${shade < 0 ? 0 : 1})" fill-opacity="${Math.abs(shade) / 20}" d="${path.join("")}"/>`);
  const height = fixed(rows * unit);
  return [
    `<g transform="scale(${fixed(unit)})" shape-rendering="crispEdges">${squares.join("")}</g>`,
    `<rect width="${side}" height="${height}" fill="none" stroke="var(--line)"/>`,
    `<text x="${side / 2}" y="${fixed(rows * unit + 15)}" font-size="12" text-anchor="middle" font-family="system-ui, sans-serif" fill="var(--ink)">${escapeText(caption)}</text>`,
  ].join("");
}

const fixed = (value: number): string => Number(value.toFixed(4)).toString();
