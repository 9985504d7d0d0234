import { type Problem, ToeplitzError } from "../../base/errors.ts";

/** An error as plain data: workers and pages hand on the message of an error, but neither its class nor its fields. */
export type SentError =
  | { readonly kind: "toeplitz"; readonly room: string; readonly where: string; readonly problems: readonly Problem[] }
  | { readonly kind: "other"; readonly name: string; readonly message: string; readonly stack?: string };

const classes = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError };

const hasClass = (name: string): name is keyof typeof classes => Object.hasOwn(classes, name);

export function packError(error: unknown): SentError {
  if (error instanceof ToeplitzError) {
    const { room, where, problems } = error;
    return { kind: "toeplitz", room, where, problems };
  }
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: "other", name, message, ...(stack === undefined ? {} : { stack }) };
}

/** The error as it was thrown: of the same class, with its message and fields. */
export function unpackError(sent: SentError): Error {
  if (sent.kind === "toeplitz") return new ToeplitzError(sent.room, sent.where, sent.problems);
  const { name, message, stack } = sent;
  const error = hasClass(name) ? new classes[name](message) : new Error(message);
  if (!hasClass(name)) error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}
