/** One thing that is wrong with what the user gave. */
export interface Problem {
  /** What was looked at, e.g. `kernel span`. */
  readonly what: string;
  /** The rule, with its numbers, e.g. `<= padded input 6 on axis 1`. */
  readonly expected: string;
  /** What came, e.g. `9 (kernel 5, dilation 2)`. */
  readonly received: string;
  /** What to do about it; a sentence. */
  readonly hint?: string;
}

/**
 * The one error for bad input: `<room>(<where>): <what>: expected <rule>; received <value>. <hint>`, every problem at once.
 *
 * Example: `throw new ToeplitzError("grid-linear", "features[2]", [{ what: "stride", expected: ">= 1 on axis 0", received: "0" }])`
 */
export class ToeplitzError extends Error {
  readonly room: string;
  readonly where: string;
  readonly problems: readonly Problem[];

  constructor(room: string, where: string, problems: readonly Problem[]) {
    super(problems.map((problem) => sentence(room, where, problem)).join("\n"));
    this.name = "ToeplitzError";
    this.room = room;
    this.where = where;
    this.problems = problems;
  }
}

function sentence(room: string, where: string, { what, expected, received, hint }: Problem): string {
  const head = where === "" ? room : `${room}(${where})`;
  return `${head}: ${what}: expected ${expected}; received ${received}.${hint === undefined ? "" : ` ${hint}`}`;
}

/** Collects problems, then throws once with all of them. */
export class Problems {
  readonly #found: Problem[] = [];
  readonly #room: string;
  readonly #where: string;

  constructor(room: string, where = "") {
    this.#room = room;
    this.#where = where;
  }

  /** Notes a problem when `holds` is false; returns `holds`, so that later checks can depend on it. */
  check(holds: boolean, what: string, expected: string, received: unknown, hint?: string): boolean {
    if (!holds) this.#found.push({ what, expected, received: String(received), ...(hint === undefined ? {} : { hint }) });
    return holds;
  }

  /** Throws a ToeplitzError when anything was noted. */
  throwIfAny(): void {
    if (this.#found.length > 0) throw new ToeplitzError(this.#room, this.#where, this.#found);
  }
}

/** Throws the one error with a single problem. */
export function fail(room: string, where: string, what: string, expected: string, received: unknown, hint?: string): never {
  throw new ToeplitzError(room, where, [{ what, expected, received: String(received), ...(hint === undefined ? {} : { hint }) }]);
}

/** States what the code itself guarantees; a failure is a bug of ours, not of the user. */
export function invariant(holds: unknown, text: () => string): asserts holds {
  if (!holds) throw new Error(`internal: ${text()} (this is a bug in toeplitz, please report it)`);
}
