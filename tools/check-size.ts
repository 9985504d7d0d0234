/**
 * Counts lines: a table per folder, an error for every file over 400 lines (600 with a reason listed here), a warning for every
 * function over 60 lines. `node tools/check-size.ts`
 */
import { posix } from "node:path";
import ts from "typescript";
import { readSources } from "./source-files.ts";

const fileLimit = 400;
const hardLimit = 600;
const functionLimit = 60;

/** Files that may pass 400 lines, with the reason why they are not split. */
const longFiles: Readonly<Record<string, string>> = {};

const countLines = (text: string): number => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);

/** Files that are too long, one line each. */
export function findLongFiles(sources: ReadonlyMap<string, string>, reasons: Readonly<Record<string, string>>): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    const lines = countLines(text);
    const limit = path in reasons ? hardLimit : fileLimit;
    if (lines > limit) found.push(`${path}: ${lines} lines, expected <= ${limit}; split it by what it does`);
  }
  for (const path of Object.keys(reasons)) {
    const text = sources.get(path);
    if (text === undefined || countLines(text) <= fileLimit) found.push(`${path}: needs its row in longFiles no more; take it out`);
  }
  return found;
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  const { parent } = node;
  if (ts.isConstructorDeclaration(node)) return "constructor";
  return ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) ? parent.name.getText() : "(no name)";
}

/** Functions that are too long, one line each; the functions of tests are exempt. */
export function findLongFunctions(sources: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    if (path.endsWith(".test.ts") || countLines(text) <= functionLimit) continue;
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const lineAt = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1;
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
        const first = lineAt(node.getStart());
        const lines = lineAt(node.end) - first + 1;
        if (lines > functionLimit) found.push(`${path}:${first}: ${nameOf(node)} has ${lines} lines, expected <= ${functionLimit}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return found;
}

/** Folder of the table: two levels of src (three of its targets and emitters), one level elsewhere. */
function folderOf(path: string): string {
  const depth = /^src\/(targets|emit|ops)\//.test(path) ? 3 : path.startsWith("src/") ? 2 : 1;
  return posix.dirname(path).split("/").slice(0, depth).join("/");
}

function printTable(sources: ReadonlyMap<string, string>): void {
  const rows = new Map<string, { files: number; code: number; tests: number }>();
  const total = { files: 0, code: 0, tests: 0 };
  for (const [path, text] of sources) {
    const row = rows.get(folderOf(path)) ?? { files: 0, code: 0, tests: 0 };
    rows.set(folderOf(path), row);
    for (const sum of [row, total]) {
      sum.files++;
      sum[path.endsWith(".test.ts") || path.startsWith("test/") ? "tests" : "code"] += countLines(text);
    }
  }
  const print = (name: string, files: unknown, code: unknown, tests: unknown): void =>
    console.log(`${name.padEnd(28)}${[files, code, tests].map((cell) => String(cell).padStart(8)).join("")}`);
  print("folder", "files", "lines", "tests");
  for (const [folder, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) print(folder, row.files, row.code, row.tests);
  print("all", total.files, total.code, total.tests);
}

if (import.meta.main) {
  const sources = readSources("src/**/*.ts", "test/**/*.ts", "tools/**/*.ts", "bench/**/*.ts");
  printTable(sources);
  for (const warning of findLongFunctions(sources)) console.warn(`warning: ${warning}`);
  const errors = findLongFiles(sources, longFiles);
  for (const error of errors) console.error(error);
  process.exitCode = errors.length === 0 ? 0 : 1;
}
