import { fail } from "../../base/errors.ts";
import type { Tensor } from "../../base/types.ts";
import { type Graph, inputsOf } from "../../graph/graph.ts";
import { saveGraph } from "../../graph/save.ts";
import type { ChoiceRecord, CompileOptions, Feeds, Outputs, Program, Session, SessionOptions } from "../../graph/session.ts";
import { type Compiled, ownCells, type RemoteWorker } from "./calls.ts";
import { Line } from "./line.ts";

/**
 * A session that lives in a worker which runs `serve`: calls go there as messages, so that the calling thread never waits. Graphs travel as
 * text, feeds and outputs as copies. Returns the error where the worker cannot start.
 * Throws: what the session there throws, with the same class, message and fields.
 */
export async function openRemote(worker: RemoteWorker, options: SessionOptions = {}): Promise<Session | Error> {
  const line = new Line(worker);
  try {
    await line.ready();
  } catch (error) {
    line.end();
    return error as Error;
  }
  try {
    return new RemoteSession(line, await line.call("open", options));
  } catch (error) {
    line.end();
    throw error;
  }
}

class RemoteSession implements Session {
  readonly description: string;
  readonly #line: Line;
  #states: readonly string[] = [];

  constructor(line: Line, description: string) {
    this.#line = line;
    this.description = description;
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    const compiled = await this.#line.call("compile", { graph: saveGraph(graph), options });
    this.#states = compiled.states;
    return new RemoteProgram(this.#line, compiled, new Set(inputsOf(graph).map(({ name }) => name)));
  }

  states(): string[] {
    return [...this.#states];
  }

  read(state: string): Promise<Tensor> {
    return this.#line.call("read", state);
  }

  async write(state: string, { dtype, shape, data }: Tensor): Promise<void> {
    const own = ownCells(data);
    await this.#line.call("write", { state, tensor: { dtype, shape, data: own.data } }, [own.buffer]);
  }

  async close(): Promise<void> {
    if (this.#line.ended) return;
    try {
      await this.#line.call("close", null);
    } finally {
      this.#line.end();
    }
  }
}

class RemoteProgram implements Program {
  readonly plannedBytes: number;
  readonly choices: ChoiceRecord;
  readonly #line: Line;
  readonly #number: number;
  readonly #inputs: ReadonlySet<string>;
  #explanation: string;
  #closed = false;

  constructor(line: Line, { program, plannedBytes, choices, explanation }: Compiled, inputs: ReadonlySet<string>) {
    this.#line = line;
    this.#number = program;
    this.plannedBytes = plannedBytes;
    this.choices = choices;
    this.#explanation = explanation;
    this.#inputs = inputs;
  }

  async run(feeds: Feeds, examples?: number): Promise<Outputs> {
    if (this.#closed) fail("program", "run", "program", "open", "closed");
    const transfer: ArrayBuffer[] = [];
    const sent: Record<string, Feeds[string]> = {};
    for (const [name, given] of Object.entries(feeds)) {
      if (typeof given === "number") sent[name] = given;
      else if (this.#inputs.has(name)) {
        const { data, buffer } = ownCells(given);
        sent[name] = data;
        transfer.push(buffer);
      } else {
        // the cells have no use there, but an error names all that was fed
        sent[name] = 0;
      }
    }
    const whole = { program: this.#number, feeds: sent, ...(examples === undefined ? {} : { examples }) };
    const { outputs, explanation } = await this.#line.call("run", whole, transfer);
    this.#explanation = explanation ?? this.#explanation;
    return outputs;
  }

  explain(): string {
    return this.#explanation;
  }

  close(): void {
    if (this.#closed || this.#line.ended) return;
    this.#closed = true;
    // nothing waits for it; a worker that has failed is told by the next call
    this.#line.call("closeProgram", this.#number).catch(() => {});
  }
}
