import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { escapeHtml, type Html, isNumber, printNumber, printShare, trusted } from "./markup.ts";

/** One curve: a value per epoch, null where there is none. `color` is one of the page's colour variables. */
export interface Curve {
  readonly name: string;
  readonly color: string;
  readonly dashed?: boolean;
  readonly values: readonly (number | null | undefined)[];
}

/** What a line chart shows. */
export interface LineChartOptions {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  readonly epochs: readonly number[];
  readonly curves: readonly Curve[];
  /** Marked by an upright line. */
  readonly bestEpoch?: number;
  readonly unit: "share" | "number";
}

const width = 400;
const height = 250;
const symbolLimit = 60;
const logarithmicRatio = 100;

/**
 * A line chart as inline SVG whose colours are the page's variables, so that it follows the light and the dark scheme.
 * Each point carries its numbers as a title; the drawing carries a sentence for those who cannot see it.
 */
export function lineChart(options: LineChartOptions): Html {
  use([LineChart, GridComponent, LegendComponent, MarkLineComponent, SVGRenderer]);
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption(chartOption(options));
    return trusted(tidy(chart.renderToSVGString({ useViewBox: true }), options));
  } finally {
    chart.dispose();
  }
}

function chartOption({ epochs, curves, bestEpoch, unit }: LineChartOptions): Parameters<ReturnType<typeof init>["setOption"]>[0] {
  const text = { color: "var(--soft)", fontSize: 13 };
  const line = { lineStyle: { color: "var(--line)" } };
  const printLabel = (value: number): string => (unit === "share" ? `${Number((value * 100).toFixed(1))} %` : printNumber(value));
  const [first, last] = [epochs[0], epochs[epochs.length - 1]];
  const marked = epochs.length > 1 && bestEpoch !== undefined && epochs.includes(bestEpoch);
  const atEnd = bestEpoch !== undefined && (bestEpoch - first) / Math.max(1, last - first) > 0.9;
  const markLine = {
    silent: true,
    symbol: "none",
    lineStyle: { color: "var(--soft)", type: "dotted", width: 1.5 },
    // a label in the middle of the last epoch's line would be cut off
    label: { formatter: `best: ${bestEpoch}`, align: atEnd ? "right" : "center", color: "var(--soft)", fontSize: 12, textBorderWidth: 0 },
    data: [{ xAxis: bestEpoch }],
  };
  return {
    animation: false,
    textStyle: { fontFamily: "inherit" },
    grid: { left: 58, right: 22, top: 48, bottom: 44 },
    legend: { show: curves.length > 1, top: 0, left: "center", itemWidth: 34, textStyle: { color: "var(--ink)", fontSize: 13 } },
    xAxis: {
      type: "value",
      name: "epoch",
      nameLocation: "middle",
      nameGap: 28,
      nameTextStyle: text,
      min: first,
      max: Math.max(last, first + 1),
      minInterval: 1,
      axisLabel: text,
      axisLine: { ...line, onZero: false },
      axisTick: line,
      splitLine: { show: false },
    },
    yAxis: {
      type: isLogarithmic(curves, unit) ? "log" : "value",
      scale: true,
      ...(unit === "share" ? { max: (range: { max: number }) => Math.max(range.max, Math.min(1, range.max + 0.02)) } : {}),
      axisLabel: { ...text, formatter: printLabel },
      axisLine: { ...line, show: true },
      axisTick: line,
      splitLine: line,
    },
    series: curves.map(({ name, color, dashed, values }, index) => ({
      type: "line",
      name,
      color,
      data: epochs.map((epoch, place) => [epoch, plotted(values[place]) ?? "-"]),
      lineStyle: { width: 2, type: dashed ? [7, 4] : "solid" },
      showSymbol: epochs.length <= symbolLimit,
      symbol: dashed ? "diamond" : "circle",
      symbolSize: epochs.length <= symbolLimit / 2 ? 8 : 5,
      itemStyle: { color },
      emphasis: { disabled: true },
      ...(index === 0 && marked ? { markLine } : {}),
    })),
  };
}

/** A value as it is drawn: an axis has no ticks for what is next to nothing. */
const plotted = (value: number | null | undefined): number | null => (isNumber(value) ? (Math.abs(value) < 1e-12 ? 0 : value) : null);

/** Whether the values span so much that a linear axis would show a flat line. */
function isLogarithmic(curves: readonly Curve[], unit: LineChartOptions["unit"]): boolean {
  const values = curves.flatMap((curve) => curve.values.map(plotted).filter(isNumber));
  const least = Math.min(...values);
  return unit === "number" && least > 0 && Math.max(...values) / least >= logarithmicRatio;
}

/** Names ids after the page's own, drops what serves a live chart only, and adds the titles. */
function tidy(svg: string, options: LineChartOptions): string {
  const points = options.curves.map(({ name, values }) =>
    values.map((value, place) => `epoch ${options.epochs[place]}: ${name} ${printValue(value, options.unit)}`),
  );
  return svg
    .replace(/<style[\s\S]*?<\/style>/g, "")
    .replace(/ class="zr[^"]*"/g, "")
    .replace(/\bzr\d+-/g, `${options.id}-`)
    .replace(
      /<path ([^>]*?) ecmeta_series_index="(\d+)" ecmeta_data_index="(\d+)"([^>]*)><\/path>/g,
      (all, before, series, place, after) => {
        const title = after.includes("legend") || before.includes("stroke-dasharray") ? undefined : points[series]?.[place];
        return title === undefined ? all : `<path ${before}${after}><title>${escapeHtml(title)}</title></path>`;
      },
    )
    .replace(/ ecmeta_\w+="[^"]*"/g, "")
    .replace(/ pointer-events="visible"/g, "")
    .replace(/^<svg [^>]*>/, `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(describe(options))}">`)
    .replace(/>\n+/g, ">");
}

function describe({ title, curves, epochs, unit }: LineChartOptions): string {
  const lines = curves.map(({ name, values }) => {
    const known = values.filter(isNumber);
    return `${name} from ${printValue(known[0], unit)} to ${printValue(known[known.length - 1], unit)}`;
  });
  return `${title} over ${epochs.length} ${epochs.length === 1 ? "epoch" : "epochs"}: ${lines.join("; ")}.`;
}

function printValue(value: number | null | undefined, unit: LineChartOptions["unit"]): string {
  return unit === "share" ? printShare(value) : printNumber(value);
}
