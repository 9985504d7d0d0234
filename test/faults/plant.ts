import type { FunctionBuilder } from "../../src/emit/wasm/function.ts";
import type { ModuleBuilder } from "../../src/emit/wasm/module.ts";
import type { Opcode } from "../../src/emit/wasm/opcodes.ts";
import type { Algorithm, Buffers, Emission, Fusion, Routine, StepSpec } from "../../src/ops/contract.ts";

/** An algorithm with a planted bug; its routines have keys of their own, so that the sound ones are not mixed up with them. */
export type Plant = (sound: Algorithm) => Algorithm;

let planted = 0;

/** Changes what a sound algorithm emits. */
function emitting(change: (sound: Algorithm, ...given: Parameters<Algorithm["emit"]>) => Emission): Plant {
  return (sound) => {
    const mark = `planted ${planted++}`;
    return {
      ...sound,
      emit: (plan, buffers, fusion, device) => {
        const emission = change(sound, plan, buffers, fusion, device);
        const steps = emission.steps.map((step) => ({ ...step, routine: { ...step.routine, key: `${step.routine.key} | ${mark}` } }));
        return { ...emission, steps };
      },
    };
  };
}

/** Emits the code of another plan than the one that is asked for. */
export const withPlan = <P>(change: (plan: P) => P): Plant =>
  emitting((sound, plan, buffers, fusion, device) => sound.emit(change(plan as P), buffers, fusion, device));

/** Emits for other places than those that the buffers have. */
export const withBuffers = (change: (buffers: Buffers) => Buffers): Plant =>
  emitting((sound, plan, buffers, fusion, device) => sound.emit(plan, change(buffers), fusion, device));

export const withFusion = (change: (fusion: Fusion) => Fusion | null): Plant =>
  emitting((sound, plan, buffers, fusion, device) => sound.emit(plan, buffers, fusion === null ? null : change(fusion), device));

export const withEmission = (change: (emission: Emission) => Emission): Plant =>
  emitting((sound, plan, buffers, fusion, device) => change(sound.emit(plan, buffers, fusion, device)));

export const withSteps = (change: (step: StepSpec) => StepSpec): Plant =>
  withEmission((emission) => ({ ...emission, steps: emission.steps.map(change) }));

const withRoutine = (change: (routine: Routine) => Routine): Plant => withSteps((step) => ({ ...step, routine: change(step.routine) }));

/** Writes other instructions in place of some. */
export const withCode = (replacements: Partial<Record<Opcode, readonly Opcode[]>>): Plant =>
  withRoutine(({ key, build }) => ({ key, build: (module) => build(rewriting(module, (f) => replacing(f, replacements))) }));

/** Puts instructions before the first one of the routine. */
export const withPrologue = (prologue: (f: FunctionBuilder) => void): Plant =>
  withRoutine(({ key, build }) => ({
    key,
    build: (module) =>
      build(
        rewriting(module, (f) => {
          if (f.parameters.length === 4 && f.results.length === 0) prologue(f);
          return f;
        }),
      ),
  }));

function rewriting(module: ModuleBuilder, change: (f: FunctionBuilder) => FunctionBuilder): ModuleBuilder {
  return new Proxy(module, {
    get: (target, name) => {
      if (name === "function") {
        return (...[parameters, results, body]: Parameters<ModuleBuilder["function"]>) =>
          target.function(parameters, results, (f) => body(change(f)));
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function replacing(f: FunctionBuilder, replacements: Partial<Record<Opcode, readonly Opcode[]>>): FunctionBuilder {
  const proxy: FunctionBuilder = new Proxy(f, {
    get: (target, name) => {
      if (name === "op")
        return (...names: readonly Opcode[]) => {
          target.op(...names.flatMap((own) => replacements[own] ?? [own]));
          return proxy;
        };
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...given: readonly unknown[]) => {
        const result: unknown = value.apply(target, given);
        return result === target ? proxy : result;
      };
    },
  });
  return proxy;
}
