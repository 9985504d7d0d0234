import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keyOf, unit } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { multiplyAdds, type Net } from "../net.ts";

/** What is measured: a forward pass, or a training step (forward, cross-entropy, backward, SGD with momentum). */
export interface Case {
  readonly name: string;
  readonly kind: "forward" | "training";
  readonly net: Net;
  /** Learning rate and momentum of the training step. */
  readonly rate?: number;
  readonly momentum?: number;
  /** The problem line, for single layers. */
  readonly line?: string;
  /** Outputs agree when they differ by at most this share of the largest; losses when each does. */
  readonly bound: number;
}

/** Where a tensor lies in the file of numbers: offset in cells. */
export interface Placed {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
}

/** What a driver reads: the case, and a file of float32 numbers (parameters, then inputs), the same for every contender. */
export interface CaseFile {
  readonly name: string;
  readonly kind: "forward" | "training";
  readonly net: Net;
  readonly rate: number;
  readonly momentum: number;
  readonly parameters: readonly (Placed & { readonly trainable: boolean })[];
  readonly inputs: readonly Placed[];
  readonly labels: readonly number[];
  /** Steps (training) that make up the outputs that are compared. */
  readonly steps: number;
  readonly numbers: string;
  readonly onnx: string | null;
  /** The problem line, for single layers. */
  readonly line: string | null;
}

const seed = 1;
const inputStream = 1_000_000;
const labelStream = 2_000_000;

/** Uniform numbers with mean 0 and the given deviation; equal arguments give equal numbers. */
function draw(target: Float32Array, stream: number, deviation: number): void {
  const key = keyOf(seed, stream);
  const width = 2 * Math.sqrt(3) * deviation;
  for (let cell = 0; cell < target.length; cell++) target[cell] = (unit(key, cell) - 0.5) * width;
}

function place(entries: readonly { name: string; shape: readonly number[] }[], start: number): { placed: Placed[]; end: number } {
  let end = start;
  const placed = entries.map(({ name, shape }) => {
    const offset = end;
    end += size(shape);
    return { name, shape, offset };
  });
  return { placed, end };
}

/** A case whose files have been written. */
export interface PreparedCase {
  readonly source: Case;
  readonly path: string;
  readonly multiplyAdds: number;
}

/**
 * Draws the weights and inputs of a case and writes what the drivers read into `folder`.
 * `onnx` makes the bytes of the ONNX file, for contenders that read one; null where the net has no ONNX form.
 */
export function prepareCase(
  source: Case,
  folder: string,
  onnx: (net: Net, numbers: ReadonlyMap<string, Float32Array>) => Uint8Array | null,
): PreparedCase {
  mkdirSync(folder, { recursive: true });
  const { net } = source;
  const parameters = place(net.parameters, 0);
  const inputs = place(net.inputs, parameters.end);
  const cells = new Float32Array(inputs.end);
  const numbers = new Map<string, Float32Array>();
  for (const [index, { name, shape, offset }] of parameters.placed.entries()) {
    const part = cells.subarray(offset, offset + size(shape));
    const { initial } = net.parameters[index];
    if ("constant" in initial) part.fill(initial.constant);
    else draw(part, index, initial.deviation);
    numbers.set(name, part);
  }
  for (const [index, { shape, offset }] of inputs.placed.entries())
    draw(cells.subarray(offset, offset + size(shape)), inputStream + index, 1);

  const bytes = source.kind === "forward" ? onnx(net, numbers) : null;
  const file = (name: string): string => join(folder, name);
  if (bytes !== null) writeFileSync(file("case.onnx"), bytes);
  writeFileSync(file("case.bin"), new Uint8Array(cells.buffer));
  const last = net.nodes[net.nodes.length - 1].shape;
  const labelKey = keyOf(seed, labelStream);
  const description: CaseFile = {
    name: source.name,
    kind: source.kind,
    net,
    rate: source.rate ?? 0,
    momentum: source.momentum ?? 0,
    parameters: parameters.placed.map((entry, index) => ({ ...entry, trainable: net.parameters[index].trainable })),
    inputs: inputs.placed,
    labels:
      source.kind === "training" ? Array.from({ length: last[0] }, (_, example) => Math.floor(unit(labelKey, example) * last[1])) : [],
    steps: source.kind === "training" ? 3 : 1,
    numbers: file("case.bin"),
    onnx: bytes === null ? null : file("case.onnx"),
    line: source.line ?? null,
  };
  writeFileSync(file("case.json"), JSON.stringify(description));
  return { source, path: file("case.json"), multiplyAdds: multiplyAdds(net) };
}
