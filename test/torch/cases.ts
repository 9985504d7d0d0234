import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ToeplitzError } from "../../src/base/errors.ts";
import type { Tensor } from "../../src/base/types.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import type { Target } from "../../src/graph/session.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import { referenceTarget } from "../../src/targets/reference/session.ts";
import { families } from "../../src/targets/wasm/list.ts";
import { wasmTarget } from "../../src/targets/wasm/session.ts";

/** The targets that every case is run on. */
export const targets: readonly (readonly [string, Target])[] = [
  ["reference", referenceTarget],
  ["wasm", wasmTarget(nodeHost, families)],
];

const data = process.env.TOEPLITZ_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const folder = join(data, "torch-cases");
const absent = existsSync(folder) ? false : `no cases at ${folder}`;

/** One case: what was asked of PyTorch, and the tensors that it was given and gave. */
export interface Case {
  readonly name: string;
  readonly asked: Readonly<Record<string, unknown>>;
  /** Throws when there is none. */
  tensor(name: string): Tensor;
  has(name: string): boolean;
}

function readCase(name: string): Case {
  const path = join(folder, name.replace(/-\d+$/, ""), `${name}.safetensors`);
  const { tensors, metadata } = readSafetensors(readFileSync(path), name);
  return {
    name,
    asked: JSON.parse(metadata.case),
    tensor: (tensor) => {
      const found = tensors.get(tensor);
      if (found === undefined) throw new Error(`${name}: no tensor ${tensor}, only ${[...tensors.keys()].join(", ")}`);
      return found;
    },
    has: (tensor) => tensors.has(tensor),
  };
}

/**
 * One test for each case of an operation and each target, by name; skipped where the folder is absent. The number of cases is given, so
 * that none can vanish unseen.
 */
export function eachCase(operation: string, count: number, check: (one: Case, target: Target) => Promise<void>): void {
  for (const [targetName, target] of targets) {
    for (let index = 0; index < count; index++) {
      const name = `${operation}-${String(index).padStart(3, "0")}`;
      test(`${name}, ${targetName}`, { skip: absent }, async () => {
        const one = readCase(name);
        try {
          await check(one, target);
        } catch (error) {
          throw error instanceof ToeplitzError ? new Error(`${JSON.stringify(one.asked)}\n${error.message}`) : error;
        }
      });
    }
    const beyond = join(folder, operation, `${operation}-${String(count).padStart(3, "0")}.safetensors`);
    if (existsSync(beyond)) test(`${operation}: count, ${targetName}`, () => Promise.reject(new Error(`more than ${count} cases`)));
  }
}
