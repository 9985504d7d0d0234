import { fail } from "../../base/errors.ts";
import type { Tensor } from "../../base/types.ts";
import { loadGraph } from "../../graph/save.ts";
import type { Program, Session, Target } from "../../graph/session.ts";
import { type CallName, type Calls, ownCells, type Port, type Reply, type Request } from "./calls.ts";
import { packError } from "./errors.ts";

interface Answered<Name extends CallName> {
  readonly answer: Calls[Name]["answer"];
  readonly transfer?: readonly ArrayBuffer[];
}

type Handlers = { readonly [Name in CallName]: (sent: Calls[Name]["sent"]) => Promise<Answered<Name>> };

/** Serves one session of a target over a port, one call after another. Runs in the worker. */
export function serve(port: Port, target: Target): void {
  const handlers = handlersFor(target);
  let last = Promise.resolve();
  port.onMessage((message) => {
    last = last.then(() => answer(port, handlers, message as Request));
  });
  port.post({ id: "ready" } satisfies Reply, []);
}

async function answer<Name extends CallName>(port: Port, handlers: Handlers, { id, name, sent }: Request<Name>): Promise<void> {
  try {
    const { answer, transfer = [] } = await handlers[name](sent);
    port.post({ id, answer } satisfies Reply, transfer);
  } catch (error) {
    port.post({ id, error: packError(error) } satisfies Reply, []);
  }
}

function handlersFor(target: Target): Handlers {
  let opened: Session | null = null;
  let profile = false;
  const programs: Program[] = [];
  const session = (): Session => opened ?? fail("session", "", "session", "open", "closed");
  return {
    open: async (options) => {
      profile = options.profile ?? false;
      opened = await target.open(options);
      return { answer: opened.description };
    },
    compile: async ({ graph, options }) => {
      const program = await session().compile(loadGraph(graph), options);
      programs.push(program);
      const { plannedBytes, choices } = program;
      const explanation = program.explain();
      return { answer: { program: programs.length - 1, plannedBytes, choices, explanation, states: session().states() } };
    },
    run: async ({ program, feeds, examples }) => {
      const transfer: ArrayBuffer[] = [];
      const outputs: Record<string, Tensor> = {};
      for (const [name, tensor] of Object.entries(await programs[program].run(feeds, examples))) {
        const { data, buffer } = ownCells(tensor.data);
        outputs[name] = { ...tensor, data };
        transfer.push(buffer);
      }
      return { answer: { outputs, ...(profile ? { explanation: programs[program].explain() } : {}) }, transfer };
    },
    closeProgram: async (program) => {
      programs[program].close();
      return { answer: null };
    },
    read: async (state) => {
      const tensor = await session().read(state);
      const { data, buffer } = ownCells(tensor.data);
      return { answer: { ...tensor, data }, transfer: [buffer] };
    },
    write: async ({ state, tensor }) => {
      await session().write(state, tensor);
      return { answer: null };
    },
    close: async () => {
      await opened?.close();
      return { answer: null };
    },
  };
}
