/** A table: every cell is a list of lines. */
export interface Table {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly (readonly string[])[])[];
  /** What the reader must know. */
  readonly notes: readonly string[];
}

/** The table for a terminal: columns padded, one blank line between rows of several lines. */
export function printTable({ title, header, rows, notes }: Table): string {
  const widths = header.map((head, column) => Math.max(head.length, ...rows.flatMap((row) => row[column].map((line) => line.length))));
  const text = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd();
  const lines = [title, "", text(header), widths.map((width) => "-".repeat(width)).join("  ")];
  const tall = rows.some((row) => row.some((cell) => cell.length > 1));
  for (const row of rows) {
    const height = Math.max(...row.map((cell) => cell.length));
    for (let line = 0; line < height; line++) lines.push(text(row.map((cell) => cell[line] ?? "")));
    if (tall) lines.push("");
  }
  if (!tall) lines.push("");
  return [...lines, ...notes].join("\n");
}

/** The table as Markdown. */
export function markdownTable({ title, header, rows, notes }: Table): string {
  const text = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const body = rows.map((row) => text(row.map((cell) => cell.join("<br>"))));
  return [`### ${title}`, "", text(header), text(header.map(() => "---")), ...body, "", ...notes.map((note) => `- ${note}`), ""].join("\n");
}

/** Three significant digits, without an exponent. */
export function digits(value: number): string {
  if (value === 0) return "0";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 4));
}
