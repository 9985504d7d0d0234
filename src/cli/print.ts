import { cellScores } from "../nn/metrics.ts";

/** `12,345`. */
export const printCount = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 0 });

/** `98.65 %`; accuracies never show as 100 while one example is wrong. */
export function printShare(share: number, digits = 2): string {
  const percent = 100 * share;
  const rounded = percent.toFixed(digits);
  const shown = share < 1 && Number(rounded) === 100 ? (100 - 10 ** -digits).toFixed(digits) : rounded;
  return `${shown} %`;
}

/** Four figures: `0.0123`, `1.234e-7`. */
export function printNumber(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(2);
  return Number(value.toPrecision(4)).toString();
}

/** `9.4 s`, `1:05`, `1:02:03`. */
export function printSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (part: number): string => String(part).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Columns side by side; a column of numbers is right-aligned. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[], right: readonly boolean[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (right[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join("  ")
      .trimEnd();
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)];
}

/** Scores of cells at full size: Dice and overlap of every class, then the accuracy. */
export function cellLines(table: readonly (readonly number[])[], classes: readonly string[]): string[] {
  const scores = cellScores(table);
  const share = (value: number): string => (Number.isNaN(value) ? "–" : printShare(value));
  const rows = scores.classes.map(({ accuracy, dice, intersectionOverUnion }, index) => [
    classes[index] ?? String(index),
    share(accuracy),
    share(dice),
    share(intersectionOverUnion),
    printCount(table[index].reduce((sum, count) => sum + count, 0)),
  ]);
  const head = ["class", "accuracy", "Dice", "overlap", "cells"];
  return [...printTable(head, rows, [false, true, true, true, true]), `accuracy of cells: ${share(scores.accuracy)}`];
}
