/** A worker thread, as Node and browsers both have them. */
export interface CrewWorker {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onError(listener: (error: Error) => void): void;
  /** Resolves when the thread has ended. */
  terminate(): Promise<void>;
}

/** What the wasm target needs of where it runs; composition roots provide it. */
export interface Host {
  /** Cores that threads may use. */
  readonly cores: number;
  /** Starts a worker from the text of its program; absent where there are no workers. */
  readonly startWorker?: (source: string) => CrewWorker;
  /** Asks the engine for 256-bit code (V8's revectoriser); false where it cannot be had. */
  readonly enableWide: () => boolean;
  /** Asks the engine for relaxed SIMD where that is behind a flag. */
  readonly enableRelaxed: () => void;
  /** Compiles a module: fully, or (`quickly`) so that it runs soon, and is made fast behind its back while it runs. */
  readonly compile: (bytes: Uint8Array<ArrayBuffer>, quickly: boolean) => Promise<WebAssembly.Module>;
}
