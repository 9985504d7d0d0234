/**
 * Proves that imports of src point one way, as `layers.ts` says, and that no files import one another in a ring (values and types alike);
 * and that nothing a page can load needs Node. `node tools/check-layers.ts`
 */
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import ts from "typescript";
import { builtFrom } from "./bundle.ts";
import { browserEntries, type Layer, layers } from "./layers.ts";
import { readSources, root } from "./source-files.ts";

interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `value` runs the other file at once, `type` is erased, `late` is `import()` or a worker's address. */
  readonly kind: "value" | "type" | "late";
}

interface Module {
  readonly path: string;
  readonly layer: Layer | undefined;
  /** The room of a file of src/ops; the layer's name elsewhere. */
  readonly unit: string;
  readonly imports: readonly Import[];
}

function patternOf(files: string): RegExp {
  const text = files
    .replaceAll(".", "\\.")
    .replaceAll("**", "\u0000")
    .replaceAll("*", "[^/]*")
    .replaceAll("\u0000", ".+")
    .replaceAll(/<\w+>/g, "([^/]+)");
  return new RegExp(`^${text}$`);
}

const patterns = layers.map((layer) => ({ layer, pattern: patternOf(layer.files) }));

function placeOf(path: string): Pick<Module, "layer" | "unit"> {
  for (const { layer, pattern } of patterns) {
    const match = pattern.exec(path);
    if (match) return { layer, unit: match[1] ?? layer.name };
  }
  return { layer: undefined, unit: "" };
}

function isErased(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  return ts.isImportDeclaration(node) ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword : node.isTypeOnly;
}

/** The address in `new URL("./x.ts", import.meta.url)`, the way a worker names its file. */
function workerAddress(node: ts.Node): ts.Expression | undefined {
  if (!ts.isNewExpression(node) || node.expression.getText() !== "URL") return undefined;
  return node.arguments?.[1]?.getText() === "import.meta.url" ? node.arguments[0] : undefined;
}

function importsOf(path: string, text: string): Import[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const note = (node: ts.Node | undefined, kind: Import["kind"]): void => {
    if (node === undefined || !ts.isStringLiteralLike(node)) return;
    found.push({ specifier: node.text, kind, line: file.getLineAndCharacterOfPosition(node.getStart()).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) note(node.moduleSpecifier, isErased(node) ? "type" : "value");
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) note(node.argument.literal, "type");
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) note(node.arguments[0], "late");
    else note(workerAddress(node), "late");
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

const isLocal = (specifier: string): boolean => specifier.startsWith(".");
const resolve = (from: string, specifier: string): string => posix.normalize(posix.join(posix.dirname(from), specifier));

/** What is wrong with one import, or undefined. */
function complaint(from: Module, one: Import, modules: ReadonlyMap<string, Module>): string | undefined {
  const { layer } = from;
  if (layer === undefined) return undefined;
  if (layer.typesOnly && one.kind !== "type") return `${layer.name} holds types alone: write \`import type\``;
  if (one.specifier.startsWith("node:")) return undefined;
  if (!isLocal(one.specifier)) {
    return layer.packages ? undefined : `${layer.name} may not import packages (${one.specifier}); it may import ${list(layer)}`;
  }
  const path = resolve(from.path, one.specifier);
  const to = modules.get(path);
  if (path.endsWith(".test.ts")) return `a test (${path}) is imported; only tests may import tests`;
  if (to === undefined) return one.kind === "late" ? undefined : `${one.specifier} is no source file of src; write the path with .ts`;
  if (to.layer === undefined || to.unit === from.unit || layer.imports.includes(to.layer.name)) return undefined;
  return `${layer.name} may not import ${to.layer.name} (${path}); it may import ${list(layer)}`;
}

const list = (layer: Layer): string => (layer.imports.length === 0 ? "nothing" : layer.imports.join(", "));

/** Rings of imports (Tarjan's strongly connected components with more than one file, or a file that imports itself). */
function findRings(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const rings: string[][] = [];
  const visit = (path: string): number => {
    order.set(path, order.size);
    let least = order.size - 1;
    stack.push(path);
    for (const next of edges.get(path) ?? []) {
      if (!order.has(next)) least = Math.min(least, visit(next));
      else if (stack.includes(next)) least = Math.min(least, order.get(next) ?? least);
    }
    low.set(path, least);
    if (least === order.get(path)) {
      const ring = stack.splice(stack.indexOf(path));
      if (ring.length > 1 || edges.get(path)?.includes(path)) rings.push(ring);
    }
    return least;
  };
  for (const path of edges.keys()) if (!order.has(path)) visit(path);
  return rings;
}

/**
 * Why a page cannot load an entry, or a bundle for pages not hold it: each `node:` import on a chain of imports, with the chain. Late imports
 * count too, since bundlers follow them, but for files that `browser` in package.json leaves out of bundles.
 */
function findNodeImports(modules: ReadonlyMap<string, Module>, leftOut: ReadonlySet<string>): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (path: string, chain: readonly string[]): void => {
    const module = modules.get(path);
    if (module === undefined || seen.has(path)) return;
    seen.add(path);
    for (const one of module.imports.filter(({ kind }) => kind !== "type")) {
      if (isLocal(one.specifier)) {
        const next = resolve(path, one.specifier).replace(/\.js$/, ".ts");
        if (one.kind === "value" || !leftOut.has(next)) visit(next, [...chain, path]);
      } else if (one.specifier.startsWith("node:")) {
        found.push(`src/${path}:${one.line}: a page would load ${one.specifier}, by ${[...chain, path].join(" -> ")}`);
      }
    }
  };
  for (const entry of browserEntries) visit(entry, []);
  return found;
}

/** Every breach, one line each. `sources`: path below src and text; tests are exempt. `leftOut`: paths that bundles for pages leave out. */
export function checkLayers(sources: ReadonlyMap<string, string>, leftOut: ReadonlySet<string> = new Set()): string[] {
  const modules = new Map<string, Module>();
  for (const [path, text] of sources) {
    if (!path.endsWith(".test.ts")) modules.set(path, { path, ...placeOf(path), imports: importsOf(path, text) });
  }
  const breaches: string[] = [];
  for (const module of modules.values()) {
    if (module.layer === undefined) breaches.push(`src/${module.path}: stands in no layer; give it a row in tools/layers.ts`);
    for (const one of module.imports) {
      const text = complaint(module, one, modules);
      if (text !== undefined) breaches.push(`src/${module.path}:${one.line}: ${text}`);
    }
  }
  const edges = new Map<string, string[]>();
  for (const { path, imports } of modules.values()) {
    const now = imports.filter((one) => one.kind !== "late" && isLocal(one.specifier)).map((one) => resolve(path, one.specifier));
    edges.set(
      path,
      now.filter((other) => modules.has(other)),
    );
  }
  for (const ring of findRings(edges)) breaches.push(`ring of imports: ${ring.map((path) => `src/${path}`).join(", ")}`);
  return [...breaches, ...findNodeImports(modules, leftOut)];
}

if (import.meta.main) {
  const sources = new Map([...readSources("src/**/*.ts")].map(([path, text]) => [path.replace(/^src\//, ""), text]));
  const { browser } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { browser: Readonly<Record<string, false>> };
  const leftOut = Object.keys(browser).map((file) => {
    const name = file.replace(/^\.\/dist\//, "").replace(/\.js$/, "");
    return `${builtFrom[name] ?? name}.ts`;
  });
  const missing = leftOut.filter((path) => !sources.has(path)).map((path) => `package.json: browser names src/${path}, which is not there`);
  const breaches = [...missing, ...checkLayers(sources, new Set(leftOut))];
  for (const breach of breaches) console.error(breach);
  console.log(`layers: ${sources.size} files, ${layers.length} rows, ${breaches.length} breaches`);
  process.exitCode = breaches.length === 0 ? 0 : 1;
}
