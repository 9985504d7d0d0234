import { ModuleBuilder } from "../../emit/wasm/module.ts";
import type { Routine } from "../../ops/contract.ts";
import type { RoutineModule, RoutinePlace } from "./crew.ts";
import type { Host } from "./host.ts";

/** What the optimising compiler takes for a byte, and how many times longer code runs before it comes; ns, measured with Node 24. */
const optimising = { perByte: 400, gain: 12 };

/** Compiled routines by memory kind and key: for the whole process, so that nothing is compiled twice. */
export class RoutineCache {
  readonly #places = new Map<string, RoutinePlace>();
  #modules = 0;

  /**
   * Places of all routines, in their order; the ones that are missing are compiled together into one module. `predicted` is the time of a
   * first run, ns: where that is less than what the optimising compiler would add, the run does not wait for it.
   */
  async compile(
    routines: readonly Routine[],
    memory: { shared: boolean; maximum: number },
    host: Host,
    predicted: number,
  ): Promise<RoutinePlace[]> {
    const keyOf = (routine: Routine): string => `${memory.shared ? "shared" : "own"} ${memory.maximum} ${routine.key}`;
    const missing = new Map<string, Routine>();
    for (const routine of routines) if (!this.#places.has(keyOf(routine))) missing.set(keyOf(routine), routine);
    if (missing.size > 0) {
      const builder = new ModuleBuilder({ minimum: 1, maximum: memory.maximum, shared: memory.shared });
      const names = new Map<string, string>();
      for (const [key, routine] of missing) {
        const name = `r${names.size}`;
        builder.export(name, routine.build(builder));
        names.set(key, name);
      }
      const bytes = builder.encode();
      const module = await host.compile(bytes, predicted * optimising.gain < bytes.length * optimising.perByte);
      const made: RoutineModule = { id: ++this.#modules, module };
      for (const [key, name] of names) this.#places.set(key, { module: made, name });
    }
    return routines.map((routine) => this.#places.get(keyOf(routine)) as RoutinePlace);
  }
}
