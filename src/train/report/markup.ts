/** Text that is already HTML. Only `html` and `trusted` make it, so that anything else is escaped. */
export interface Html {
  readonly markup: string;
}

/** What may stand in an `html` template; lists are joined, null and false leave nothing. */
export type HtmlPart = Html | string | number | null | undefined | false | readonly HtmlPart[];

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text with the five characters replaced that mean something to HTML, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character]);
}

/**
 * HTML from a template; every inserted text is escaped, every inserted Html is not.
 * Example: `html\`<td title="${file}">${count}</td>\``
 */
export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  const markup = strings.reduce((text, next, index) => text + print(parts[index - 1]) + next);
  return { markup };
}

/** Declares markup of our own making to be HTML. */
export function trusted(markup: string): Html {
  return { markup };
}

function print(part: HtmlPart): string {
  if (part === null || part === undefined || part === false) return "";
  if (typeof part === "string") return escapeHtml(part);
  if (typeof part === "number") return String(part);
  return isList(part) ? part.map(print).join("") : part.markup;
}

function isList(part: Html | readonly HtmlPart[]): part is readonly HtmlPart[] {
  return Array.isArray(part);
}

const grouped = new Intl.NumberFormat("en");

/** 1234567 -> "1,234,567". */
export function printCount(count: number): string {
  return grouped.format(count);
}

/** 1234567 -> "1.23 M"; numbers below 10,000 in full. */
export function printLarge(count: number): string {
  const units = ["", " k", " M", " G", " T"];
  let power = 0;
  let rest = count;
  while (count >= 10_000 && rest >= 999.5 && power < units.length - 1) {
    rest /= 1000;
    power++;
  }
  return power === 0 ? printCount(count) : `${rest.toPrecision(3)}${units[power]}`;
}

/** 0.98765 -> "98.77 %", not broken at the space; "–" where there is none. */
export function printShare(share: number | null | undefined, digits = 2): string {
  return isNumber(share) ? `${(share * 100).toFixed(digits)}\u00a0%` : "–";
}

/** Four significant digits; very small and very large ones with an exponent; "–" where there is none. */
export function printNumber(value: number | null | undefined): string {
  if (!isNumber(value)) return "–";
  const magnitude = Math.abs(value);
  if (value === 0) return "0";
  return magnitude < 1e-4 || magnitude >= 1e6 ? value.toExponential(2).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(4)));
}

/** 75.3 -> "1 min 15 s". */
export function printSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** False for NaN and infinities, and for the null that JSON makes of them. */
export function isNumber(value: number | null | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
