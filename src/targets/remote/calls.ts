import type { Tensor } from "../../base/types.ts";
import type { ChoiceRecord, CompileOptions, Feeds, Outputs, SessionOptions } from "../../graph/session.ts";
import type { SentError } from "./errors.ts";

/** What a compiled program says of itself. */
export interface Compiled {
  readonly program: number;
  readonly plannedBytes: number;
  readonly choices: ChoiceRecord;
  readonly explanation: string;
  /** Names of all states that the session has now. */
  readonly states: readonly string[];
}

/** A run's outputs; with `profile` the explanation too, since it shows the times measured so far. */
export interface Ran {
  readonly outputs: Outputs;
  readonly explanation?: string;
}

/** Every call by name: what is sent with it and what comes back. All of it plain data. */
export interface Calls {
  readonly open: { readonly sent: SessionOptions; readonly answer: string };
  /** A graph as `saveGraph` writes it. */
  readonly compile: { readonly sent: { readonly graph: string; readonly options: CompileOptions }; readonly answer: Compiled };
  readonly run: { readonly sent: { readonly program: number; readonly feeds: Feeds; readonly examples?: number }; readonly answer: Ran };
  readonly closeProgram: { readonly sent: number; readonly answer: null };
  readonly read: { readonly sent: string; readonly answer: Tensor };
  readonly write: { readonly sent: { readonly state: string; readonly tensor: Tensor }; readonly answer: null };
  readonly close: { readonly sent: null; readonly answer: null };
}

export type CallName = keyof Calls;

export interface Request<Name extends CallName = CallName> {
  readonly id: number;
  readonly name: Name;
  readonly sent: Calls[Name]["sent"];
}

/** The far side says "ready" once, then answers every request under its number. */
export type Reply =
  | { readonly id: "ready" }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: SentError };

/** One end of a line between a page and a worker; buffers in `transfer` move instead of being copied. */
export interface Port {
  post(message: unknown, transfer: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** The near end of a line to a worker. */
export interface RemoteWorker extends Port {
  onError(listener: (error: Error) => void): void;
  terminate(): void;
}

/** The cells in a buffer of their own, which may be moved: a view may show part of something large, or shared memory. */
export function ownCells<Data extends Tensor["data"]>(data: Data): { readonly data: Data; readonly buffer: ArrayBuffer } {
  const own = data.slice() as Data;
  return { data: own, buffer: own.buffer as ArrayBuffer };
}
