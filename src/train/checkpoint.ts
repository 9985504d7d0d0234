import { fail, Problems } from "../base/errors.ts";
import { printType, sameShape, type Tensor } from "../base/types.ts";
import { readSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import type { ChoiceRecord, Session } from "../graph/session.ts";
import type { Progress } from "./history.ts";
import type { PlainSettings } from "./settings.ts";

const format = "toeplitz checkpoint 1";

/** What was chosen for each program of a run. */
export type ProgramChoices = Readonly<Record<string, ChoiceRecord>>;

/** What a run needs to go on to the same bits. */
export interface Checkpoint {
  readonly progress: Progress;
  readonly settings: PlainSettings;
  /** Number of training examples and names of the classes: other data would give other bits. */
  readonly data: { readonly name: string; readonly train: number; readonly classes: readonly string[] };
  /** Target and tier, e.g. `wasm wide`. */
  readonly device: string;
  /** Algorithms and layouts of the programs: what a run goes on with, whatever would be chosen today. */
  readonly choices: ProgramChoices;
  /** Parameters, optimiser state, running statistics, averages. */
  readonly state: ReadonlyMap<string, Tensor>;
}

/** A checkpoint as one safetensors file. */
export function encodeCheckpoint({ state, ...rest }: Checkpoint): Uint8Array<ArrayBuffer> {
  return writeSafetensors(state, { format, checkpoint: JSON.stringify(rest) });
}

/** Throws: ToeplitzError when the file is cut short or is no checkpoint. */
export function decodeCheckpoint(bytes: Uint8Array, where: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes, where);
  if (metadata.format !== format) fail("checkpoint", where, "format", `"${format}" in the metadata`, metadata.format ?? "none");
  let rest: unknown;
  try {
    rest = JSON.parse(metadata.checkpoint ?? "");
  } catch {
    return fail("checkpoint", where, "metadata", "JSON", (metadata.checkpoint ?? "none").slice(0, 60), "The file is damaged.");
  }
  return { ...(rest as Omit<Checkpoint, "state">), state: tensors };
}

/** Reads every state of a session. */
export async function readStates(session: Session): Promise<Map<string, Tensor>> {
  const states = new Map<string, Tensor>();
  for (const name of session.states()) states.set(name, await session.read(name));
  return states;
}

/**
 * Writes every state of a checkpoint into a session.
 * Throws: ToeplitzError when its states are not those of the session's programs.
 */
export async function restoreStates(session: Session, state: ReadonlyMap<string, Tensor>, where: string): Promise<void> {
  const problems = new Problems("checkpoint", where);
  const hint = "The checkpoint was made for another net or optimiser.";
  const declared = session.states();
  for (const name of declared) {
    const wanted = await session.read(name);
    const given = state.get(name);
    const received = given === undefined ? "none" : printType({ ...given, batched: false });
    problems.check(
      given !== undefined && sameShape(given.shape, wanted.shape),
      `state ${name}`,
      printType({ ...wanted, batched: false }),
      received,
      hint,
    );
  }
  for (const name of state.keys()) problems.check(declared.includes(name), "state", "one that the net has", name, hint);
  problems.throwIfAny();
  for (const [name, tensor] of state) await session.write(name, tensor);
}

/** Throws: ToeplitzError when a run of these settings on these data would not go on where the checkpoint stopped. */
export function checkContinuation(checkpoint: Checkpoint, run: Pick<Checkpoint, "settings" | "data">, where: string): void {
  const problems = new Problems("checkpoint", where);
  // more epochs or more patience are a wish; all else would give other bits
  const { epochs: _, patience: __, ...before } = checkpoint.settings;
  for (const [name, value] of Object.entries(before)) {
    const now = JSON.stringify(run.settings[name as keyof PlainSettings]);
    problems.check(now === JSON.stringify(value), name, JSON.stringify(value), now, "A run goes on with the settings that it began with.");
  }
  const { name, train, classes } = checkpoint.data;
  problems.check(
    run.data.train === train,
    `training examples of ${name}`,
    `${train}`,
    run.data.train,
    "The data have changed since the run began.",
  );
  problems.check(run.data.classes.join() === classes.join(), "classes", classes.join(", "), run.data.classes.join(", "));
  problems.throwIfAny();
}

/** The device of a session without its number of threads, which changes no bits. */
export const deviceOf = (session: Session): string => session.description.replace(/, \d+ threads?$/, "");
