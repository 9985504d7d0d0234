/** The page: between `<!-- example NAME -->` and `<!-- end -->` stands what the example is, prints and draws; the rest is written by hand. */

export interface Run {
  /** The example's source, as the page shows it. */
  readonly source: string;
  readonly printed: string;
  /** File names of its drawings and what they show. */
  readonly drawings: readonly { readonly file: string; readonly title: string }[];
  /** What the page shows otherwise: texts, and drawings kept beside the page. */
  differences(page: string): string[];
  /** Puts the drawings beside the page. */
  keepDrawings(): void;
}

const section = /<!-- example (\S+) -->\n([\s\S]*?)<!-- end -->/g;

/** Names of the page's examples, in its order. */
export const exampleNames = (page: string): string[] => [...page.matchAll(section)].map(([, name]) => name);

/** The page with what the examples are, print and draw now. */
export const weave = (page: string, runs: ReadonlyMap<string, Run>): string =>
  page.replaceAll(section, (all: string, name: string) => {
    const run = runs.get(name);
    return run === undefined ? all : `<!-- example ${name} -->\n${woven(run)}<!-- end -->`;
  });

const woven = ({ source, printed, drawings }: Run): string =>
  [
    ["```ts", source.trimEnd(), "```", ""],
    printed === "" ? [] : ["```text", printed.trimEnd(), "```", ""],
    ...drawings.map(({ file, title }) => [`![${title}](chapter-9/${file})`, ""]),
  ]
    .flat()
    .join("\n");

/** Lines that begin with `measured` hold times, or what was learnt to the last bit, of one machine: they are shown, and may differ. So may such drawings. */
const stable = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !line.startsWith("measured"))
    .join("\n");

/** Whether the page shows this run. */
export function isShown(page: string, name: string, run: Run): boolean {
  const shown = [...page.matchAll(section)].find(([, own]) => own === name)?.[2] ?? "";
  return stable(shown) === stable(woven(run));
}

/** What the table at the end of the page names as shown by neither an example of the page nor a file that is there. */
export function missingProofs(page: string, exists: (file: string) => boolean): string[] {
  const names = exampleNames(page);
  const rows = page
    .slice(page.lastIndexOf("\n## "))
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| ---"));
  if (rows.length < 2) return ["the table at the end of the page is empty"];
  return rows.slice(1).flatMap((row) => {
    const shown = [...(row.split("|").at(-2) ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    if (shown.length === 0) return [`nothing is said to show: ${row}`];
    return shown.filter((name) => !names.includes(name) && !exists(name)).map((name) => `no example and no file: ${name}`);
  });
}
