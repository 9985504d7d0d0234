import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Reply, Request } from "./drivers/serve.ts";

/** What runs a contender: its name in the tables, and the command that starts its driver. */
export interface Contender {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Measures the machine, not a library: has no outputs and stands in no column. */
  readonly gauge?: boolean;
  /** Answers what its main routine takes alone. */
  readonly tellsRoutine?: boolean;
}

/** The driver did not answer within the limit. */
export class OverLimit extends Error {}

const driver = (file: string): string => fileURLToPath(new URL(`drivers/${file}`, import.meta.url));
const inNode = (name: string, file: string): Contender => ({ name, command: [process.execPath, driver(file)] });

/** All contenders in Node. The order is that of the tables; the first one is what the others are compared with. */
export const nodeContenders: readonly Contender[] = [
  { ...inNode("toeplitz", "toeplitz.ts"), tellsRoutine: true },
  { ...inNode("toeplitz-128", "toeplitz.ts"), environment: { TOEPLITZ_BENCH_TIER: "relaxed" }, tellsRoutine: true },
  { ...inNode("toeplitz-direct", "toeplitz.ts"), environment: { TOEPLITZ_BENCH_ROUNDING: "1" }, tellsRoutine: true },
  inNode("onnxruntime-node", "onnxruntime-node.ts"),
  inNode("onnxruntime-web", "onnxruntime-web.ts"),
  inNode("tfjs-wasm", "tfjs-wasm.ts"),
  inNode("jax-js", "jax-js.ts"),
];

/** Node itself: what every contender in Node pays at the start. */
export const floor: Contender = inNode("node alone", "floor.ts");

/** What one thread of the machine can do, measured beside the contenders. */
export const gauges: readonly Contender[] = (["fma128", "fma256", "read", "write"] as const).map((name) => ({
  name,
  command: [process.execPath, driver("peak.ts"), name],
  gauge: true,
}));

/** PyTorch, run by the given interpreter. */
export const pytorch = (python: string): Contender => ({ name: "PyTorch", command: [python, driver("pytorch.py")] });

/** Clock ticks of /proc, in ms: USER_HZ is 100 on every Linux that Node runs on. */
export const tickMs = 10;

/** Drivers that run now: none may outlive the bench, and one that computes does not see its input end. */
const alive = new Set<Driver>();
process.on("exit", () => {
  for (const driver of alive) driver.kill();
});

/** A running driver. */
export class Driver {
  readonly contender: Contender;
  readonly #process: ChildProcess;
  readonly #waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = [];
  /** Answers that came before anyone waited: a driver may give two at once. */
  readonly #early: Reply[] = [];
  #errors = "";
  #ended = false;

  constructor(contender: Contender) {
    this.contender = contender;
    const [program, ...words] = contender.command;
    this.#process = spawn(program, words, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...contender.environment } });
    const { stdin, stdout, stderr } = this.#process;
    if (stdin === null || stdout === null || stderr === null) throw new Error("no pipes");
    stdin.on("error", () => undefined);
    stderr.on("data", (text: Buffer) => {
      this.#errors = (this.#errors + text.toString()).slice(-4000);
    });
    createInterface({ input: stdout }).on("line", (line) => {
      // a library may greet on standard output
      if (!line.startsWith("{")) return;
      const reply = JSON.parse(line) as Reply;
      const first = this.#waiting.shift();
      if (first === undefined) this.#early.push(reply);
      else first.resolve(reply);
    });
    alive.add(this);
    const end = (): void => {
      this.#ended = true;
      alive.delete(this);
      const last =
        this.#errors
          .trim()
          .split("\n")
          .findLast((text) => /error/i.test(text)) ?? "no word";
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the driver ended: ${last.trim()}`));
    };
    this.#process.on("error", end);
    this.#process.on("exit", end);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Asks, and waits for the next answer; `limitMs` ends the driver. */
  ask(request: Request, limitMs: number): Promise<Reply> {
    const answer = this.next(limitMs);
    this.#process.stdin?.write(`${JSON.stringify(request)}\n`);
    return answer;
  }

  /** The next answer to a question that has several. */
  next(limitMs: number): Promise<Reply> {
    const early = this.#early.shift();
    if (early !== undefined) return Promise.resolve(early);
    if (this.#ended) return Promise.reject(new Error("the driver has ended"));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new OverLimit(`over ${Math.round(limitMs / 1000)} s`));
        this.kill();
      }, limitMs);
      this.#waiting.push({
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  /** Processor time that the driver and its threads have used, in ms; 0 where /proc is absent. */
  cpuMs(): number {
    return this.#process.pid === undefined ? 0 : processCpuMs(this.#process.pid);
  }

  kill(): void {
    this.#ended = true;
    this.#process.kill("SIGKILL");
  }

  /** Ends the driver and waits until the system has taken account of it. */
  end(): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    const gone =
      exitCode !== null || signalCode !== null ? Promise.resolve() : new Promise<void>((done) => this.#process.once("exit", () => done()));
    this.kill();
    return gone;
  }
}

/** User and system time of a process, in ms; 0 where it cannot be read. */
export function processCpuMs(pid: number): number {
  const fields = statFields(pid);
  return (fields[11] + fields[12]) * tickMs;
}

/** The same of all children of this process that have ended. */
export function childrenCpuMs(): number {
  const fields = statFields(process.pid);
  return (fields[13] + fields[14]) * tickMs;
}

function statFields(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").map(Number);
  } catch {
    return new Array<number>(15).fill(0);
  }
}

/** Wall time from the start of a contender's process to the first result of a case, in ms. */
export async function timeToFirst(contender: Contender, casePath: string, threads: number, limitMs: number): Promise<number> {
  const command = [...contender.command, "--first", casePath, String(threads)];
  const started = performance.now();
  const driver = new Driver({ ...contender, command });
  const reply = await driver.next(limitMs);
  const ms = performance.now() - started;
  await driver.end();
  if (!("first" in reply)) throw new Error("refused" in reply ? reply.refused : "no first result");
  return ms;
}
