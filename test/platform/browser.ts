/** The built package in a real browser: a small server, headless Chromium, and modules that run in a page. */
import { readFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize, sep } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium } from "../../tools/setup-tests.ts";
import { root } from "../../tools/source-files.ts";
import { entries } from "./package.ts";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const mediaTypes: Readonly<Record<string, string>> = { ".js": "text/javascript", ".html": "text/html", ".json": "application/json" };

/** The headers that make a page cross-origin isolated, so that it may share memory between threads. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

const importMap = { imports: Object.fromEntries([...entries].map(([name, file]) => [name, file.replace("./", "/")])) };
const emptyPage = `<!doctype html><meta charset="utf-8"><title>test</title><script type="importmap">${JSON.stringify(importMap)}</script>`;

/** Folders that are served, by the beginning of their addresses. */
export type Folders = Readonly<Record<string, string>>;

/** Serves an empty page at / and the files of the folders. */
async function answer(path: string, response: ServerResponse, isolated: boolean, folders: Folders): Promise<void> {
  const send = (status: number, type: string, body: string | Buffer): void => {
    response.writeHead(status, { "Content-Type": type, "Cache-Control": "max-age=3600", ...(isolated ? isolation : {}) });
    response.end(body);
  };
  if (path === "/") return send(200, "text/html", emptyPage);
  const begin = Object.keys(folders).find((one) => path.startsWith(one));
  if (begin === undefined) return send(404, "text/plain", "not found");
  const file = normalize(join(folders[begin], decodeURIComponent(path.slice(begin.length))));
  if (!file.startsWith(folders[begin] + sep)) return send(404, "text/plain", "not found");
  try {
    send(200, mediaTypes[extname(file)] ?? "application/octet-stream", await readFile(file));
  } catch {
    send(404, "text/plain", "not found");
  }
}

function listen(isolated: boolean, folders: Folders): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(new URL(request.url ?? "/", "http://localhost").pathname, response, isolated, folders);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

export interface TestBrowser {
  /**
   * Runs an async function body in a new page and returns its (JSON) result. `import("toeplitz")` and the other entries load dist. Throws
   * with the page's own messages when it fails, and when it takes longer than `seconds`.
   *
   * Example: `await browser.run('const { conv } = await import("toeplitz"); return typeof conv;', { isolated: true })`
   */
  run(body: string, options: { isolated: boolean; seconds?: number }): Promise<unknown>;
  /** A new empty page of the same servers. */
  newPage(isolated: boolean): Promise<Page>;
  close(): Promise<void>;
}

/** Starts Chromium and two servers, with and without cross-origin isolation; both serve dist below /dist/, and what else is given. */
export async function openBrowser(more: Folders = {}): Promise<TestBrowser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("browser: Chromium: expected one; received none. Run `node tools/setup-tests.ts`.");
  const folders = { "/dist/": join(root, "dist"), ...more };
  const servers = { isolated: await listen(true, folders), open: await listen(false, folders) };
  const browser: Browser = await chromium.launch({ executablePath, args: flags });
  // one context, so that pages share its cache
  const context = await browser.newContext();
  const newPage = async (isolated: boolean): Promise<Page> => {
    const page = await context.newPage();
    const { port } = (isolated ? servers.isolated : servers.open).address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`);
    return page;
  };
  return {
    newPage,
    async run(body, { isolated, seconds = 60 }) {
      const page = await newPage(isolated);
      try {
        return await evaluate(page, body, seconds);
      } finally {
        await page.close();
      }
    },
    async close() {
      await browser.close();
      for (const server of Object.values(servers)) server.close();
    },
  };
}

async function evaluate(page: Page, body: string, seconds: number): Promise<unknown> {
  const said: string[] = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(error.stack ?? error.message));
  page.on("requestfailed", (request) => said.push(`not loaded: ${request.url()}`));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result in ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([page.evaluate(`(async () => {\n${body}\n})()`), late]);
  } catch (error) {
    throw new Error([(error as Error).message, ...said].join("\n"), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
