import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isShown, type Run } from "./page.ts";

const examples = fileURLToPath(new URL("examples/", import.meta.url));
const kept = fileURLToPath(new URL("../docs/chapter-9/", import.meta.url));

/** Runs an example in a process of its own; what it draws goes to a folder of its own below `folder`. */
export async function runExample(name: string, folder: string): Promise<Run | { readonly error: string }> {
  const file = join(examples, `${name}.ts`);
  if (!existsSync(file)) return { error: `there is no chapter/examples/${name}.ts` };
  const own = join(folder, name);
  mkdirSync(own);
  const { code, printed, complaint } = await call(file, own);
  if (code !== 0) return { error: `${printed}${complaint}` };
  const drawings = readdirSync(own)
    .sort()
    .map((drawing) => ({ file: drawing, title: titleOf(readFileSync(join(own, drawing), "utf8")) }));
  const run: Run = {
    source: readFileSync(file, "utf8"),
    printed,
    drawings,
    differences: (page) => {
      const texts = isShown(page, name, run) ? [] : [`prints or shows another text than the page; it printed\n${printed}`];
      const compared = drawings.filter(({ file: drawing }) => !drawing.startsWith("measured"));
      const others = compared.filter(({ file: drawing }) => !sameFile(join(own, drawing), join(kept, drawing)));
      return [...texts, ...others.map(({ file: drawing }) => `draws another docs/chapter-9/${drawing}`)];
    },
    keepDrawings: () => {
      mkdirSync(kept, { recursive: true });
      for (const { file: drawing } of drawings) copyFileSync(join(own, drawing), join(kept, drawing));
    },
  };
  return run;
}

async function call(file: string, drawings: string): Promise<{ code: number | null; printed: string; complaint: string }> {
  const child = spawn(process.execPath, ["--conditions=toeplitz-source", file], { env: { ...process.env, CHAPTER_DRAWINGS: drawings } });
  const texts = { printed: "", complaint: "" };
  child.stdout.on("data", (part: Buffer) => {
    texts.printed += part.toString();
  });
  child.stderr.on("data", (part: Buffer) => {
    texts.complaint += part.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, ...texts };
}

const titleOf = (svg: string): string => /<title>([^<]*)<\/title>/.exec(svg)?.[1] ?? "";
const sameFile = (a: string, b: string): boolean => existsSync(b) && readFileSync(a, "utf8") === readFileSync(b, "utf8");
