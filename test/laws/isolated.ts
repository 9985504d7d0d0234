import { invariant } from "../../src/base/errors.ts";
import type { TensorType } from "../../src/base/types.ts";
import { ModuleBuilder } from "../../src/emit/wasm/module.ts";
import type {
  Algorithm,
  Buffers,
  Chunks,
  Device,
  Emission,
  Fusion,
  Layout,
  LayoutChoice,
  OperandRef,
  Operator,
} from "../../src/ops/contract.ts";
import { type Placement, place, wordOf } from "../../src/ops/layout.ts";

/** One algorithm on one plan, alone in a memory of its own, between guard zones. */
export interface Trial<P> {
  readonly operator: Operator<P>;
  readonly algorithm: Algorithm<P>;
  readonly plan: P;
  readonly device: Device;
  /** Plain row-major cells of the operator's inputs, then of the fused operands. */
  readonly inputs: readonly ArrayLike<number>[];
  readonly choice?: LayoutChoice;
  readonly fusion?: Fusion | null;
  /** Examples of this run; the maximum when left out. */
  readonly examples?: number;
  /** Halo given to every output with a channel axis and cells behind it, to see that it stays as it was. */
  readonly outputHalo?: { readonly low: number; readonly high: number; readonly fill: number };
  /** How chunks are taken, for the laws of repetition: a permutation of chunk numbers per step. */
  readonly order?: (chunks: number) => readonly number[];
}

export interface TrialResult {
  readonly outputs: Float64Array[];
  /** What was broken outside the promised cells: guard zones, halos, spare lanes. */
  readonly damage: string[];
  /** Runs the steps once more and returns the ms that it took; for timing. */
  readonly again: () => number;
}

interface Region {
  readonly address: number;
  readonly words: number;
}

const guardWords = 64;
const guardBits = 0x7fc0dead;

export const chunkCount = ({ each, group }: Chunks, examples: number): number => (group === 0 ? each : each * Math.ceil(examples / group));

/** Runs an algorithm outside of any session: layouts as chosen, buffers NaN-filled, guards around each. */
export function runAlone<P>(trial: Trial<P>): TrialResult {
  const { operator, algorithm, plan, device } = trial;
  const fusion = trial.fusion ?? null;
  const choice = trial.choice ?? algorithm.layouts(plan, fusion, device)[0];
  invariant(choice !== undefined, () => `${algorithm.id} offers no layout for ${operator.line(plan)}`);
  const buffers = buffersOf(trial, choice);
  const emission = algorithm.emit(plan, buffers, fusion, device);
  const inputTypes = operator.inputs(plan);
  const outputTypes = operator.outputs(plan);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const regions = layOut(memory, emission, [
    ...inputTypes.map((type, i) => place(type, buffers.inputs[i]).words),
    ...(fusion?.operands ?? []).map((type, i) => place(type, buffers.operands[i]).words),
    ...outputTypes.map((type, i) => place(type, buffers.outputs[i]).words),
  ]);
  const words = new Int32Array(memory.buffer);
  words.fill(guardBits);
  const floats = new Float32Array(memory.buffer);
  const all = [...inputTypes, ...(fusion?.operands ?? [])];
  const layouts = [...buffers.inputs, ...buffers.operands];
  all.forEach((type, i) => store(type, place(type, layouts[i]), layouts[i], regions.values[i], trial.inputs[i], floats, words));
  outputTypes.forEach((type, i) =>
    fillHalo(type, place(type, buffers.outputs[i]), buffers.outputs[i], regions.values[all.length + i], floats),
  );
  emission.constants.forEach((table, i) =>
    words.set(new Int32Array(table.buffer, table.byteOffset, table.length), regions.constants[i].address / 4),
  );
  const before = words.slice();
  const examples = trial.examples ?? inputTypes.concat(outputTypes).find((type) => type.batched)?.shape[0] ?? 1;
  const run = runner(emission, memory, regions, trial, examples, inputTypes.length, fusion?.operands.length ?? 0);
  run();
  const damage = inspect(words, before, regions, emission);
  const outputs = outputTypes.map((type, i) => {
    const region = regions.values[all.length + i];
    return load(type, place(type, buffers.outputs[i]), buffers.outputs[i], region, floats, words, examples, damage, `output ${i}`);
  });
  return {
    outputs,
    damage,
    again: () => {
      const start = performance.now();
      run();
      return performance.now() - start;
    },
  };
}

function buffersOf<P>({ operator, plan, outputHalo }: Trial<P>, choice: LayoutChoice): Buffers {
  const outputs = operator.outputs(plan).map((type, i): Layout => {
    const axes = type.shape.length - (type.batched ? 2 : 1);
    const halo =
      outputHalo === undefined || axes < 1 || !type.batched
        ? []
        : Array.from({ length: axes }, () => ({ low: outputHalo.low, high: outputHalo.high }));
    return { block: choice.outputs[i], halo, fill: outputHalo?.fill ?? 0 };
  });
  return { inputs: choice.inputs, operands: choice.operands, outputs };
}

interface Regions {
  readonly values: Region[];
  readonly temporaries: Region[];
  readonly constants: Region[];
  readonly table: number;
}

function layOut(memory: WebAssembly.Memory, emission: Emission, values: readonly number[]): Regions {
  let next = 1024;
  const region = (words: number): Region => {
    next += guardWords;
    const address = next * 4;
    next += Math.ceil(words / 16) * 16 + guardWords;
    return { address, words };
  };
  const table = 16;
  const result = {
    values: values.map(region),
    temporaries: emission.temporaries.map((bytes) => region(Math.ceil(bytes / 4))),
    constants: emission.constants.map((constant) => region(constant.length)),
    table,
  };
  memory.grow(Math.ceil((next * 4) / 65536));
  return result;
}

function runner<P>(
  emission: Emission,
  memory: WebAssembly.Memory,
  regions: Regions,
  trial: Trial<P>,
  examples: number,
  inputs: number,
  operands: number,
): () => void {
  const builder = new ModuleBuilder({ minimum: 1, maximum: 65536, shared: true });
  const known = new Set<string>();
  for (const { routine } of emission.steps) {
    if (known.has(routine.key)) continue;
    known.add(routine.key);
    builder.export(routine.key, routine.build(builder));
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(builder.encode()), { env: { memory } });
  const words = new Int32Array(memory.buffer);
  const addressOf = ({ of, index }: OperandRef): number => {
    const region = {
      input: regions.values[index],
      operand: regions.values[inputs + index],
      output: regions.values[inputs + operands + index],
      temporary: regions.temporaries[index],
      constant: regions.constants[index],
    }[of];
    return region.address;
  };
  const steps = emission.steps.map((step) => ({
    call: instance.exports[step.routine.key] as (table: number, begin: number, end: number, examples: number) => void,
    addresses: step.operands.map(addressOf),
    order: (trial.order ?? ((chunks: number) => Array.from({ length: chunks }, (_, i) => i)))(chunkCount(step.chunks, examples)),
    total: chunkCount(step.chunks, examples),
  }));
  return () => {
    for (const step of steps) {
      step.addresses.forEach((address, i) => {
        words[regions.table + i] = address;
      });
      if (trial.order === undefined) step.call(regions.table * 4, 0, step.total, examples);
      else for (const chunk of step.order) step.call(regions.table * 4, chunk, chunk + 1, examples);
    }
  };
}

/** Visits every cell of a value: plain index, example, channel, cell. */
function eachCell(type: TensorType, visit: (index: number, example: number, channel: number, cell: readonly number[]) => void): void {
  const shape = type.batched ? type.shape : [1, ...type.shape];
  const [examples, channels, ...extents] = [shape[0], shape[1] ?? 1, ...shape.slice(2)];
  const cells = extents.reduce((product, extent) => product * extent, 1);
  const cell = new Array<number>(extents.length).fill(0);
  for (let index = 0; index < examples * channels * cells; index++) {
    let rest = index % cells;
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      cell[axis] = rest % extents[axis];
      rest = Math.floor(rest / extents[axis]);
    }
    const outer = Math.floor(index / cells);
    visit(index, Math.floor(outer / channels), outer % channels, cell);
  }
}

function store(
  type: TensorType,
  at: Placement,
  layout: Layout,
  region: Region,
  cells: ArrayLike<number>,
  floats: Float32Array,
  words: Int32Array,
): void {
  if (type.dtype === "f32") floats.fill(0, region.address / 4, region.address / 4 + at.words);
  fillHalo(type, at, layout, region, floats);
  eachCell(type, (index, example, channel, cell) => {
    const word = region.address / 4 + wordOf(at, example, channel, cell);
    if (type.dtype === "f32") floats[word] = cells[index];
    else words[word] = cells[index];
  });
}

/** Sets every cell around the interior to the layout's fill. */
function fillHalo(type: TensorType, at: Placement, layout: Layout, region: Region, floats: Float32Array): void {
  if (!layout.halo.some(({ low, high }) => low > 0 || high > 0)) return;
  const padded = at.extents.map((extent, i) => extent + at.halo[i].low + at.halo[i].high);
  const wide: TensorType = { ...type, shape: [...(type.batched ? [type.shape[0]] : []), at.blocks * at.block, ...padded] };
  eachCell(wide, (_, example, channel, cell) => {
    const inside = cell.every((position, i) => position >= at.halo[i].low && position < at.halo[i].low + at.extents[i]);
    if (!inside)
      floats[
        region.address / 4 +
          wordOf(
            at,
            example,
            channel,
            cell.map((position, i) => position - at.halo[i].low),
          )
      ] = layout.fill;
  });
}

function load(
  type: TensorType,
  at: Placement,
  layout: Layout,
  region: Region,
  floats: Float32Array,
  words: Int32Array,
  examples: number,
  damage: string[],
  name: string,
): Float64Array {
  const shape = type.batched ? [examples, ...type.shape.slice(1)] : type.shape;
  const result = new Float64Array(shape.reduce((product, extent) => product * extent, 1));
  const base = region.address / 4;
  eachCell({ ...type, shape }, (index, example, channel, cell) => {
    const word = base + wordOf(at, example, channel, cell);
    result[index] = type.dtype === "f32" ? floats[word] : words[word];
  });
  const padded = at.extents.map((extent, i) => extent + at.halo[i].low + at.halo[i].high);
  const wide: TensorType = { ...type, shape: [...(type.batched ? [examples] : []), at.blocks * at.block, ...padded] };
  eachCell(wide, (_, example, channel, cell) => {
    const inside = cell.every((position, i) => position >= at.halo[i].low && position < at.halo[i].low + at.extents[i]);
    if (inside && channel < at.channels) return;
    const found =
      floats[
        base +
          wordOf(
            at,
            example,
            channel,
            cell.map((position, i) => position - at.halo[i].low),
          )
      ];
    const expected = inside ? 0 : layout.fill;
    if (!Object.is(found, expected) && !(found === 0 && expected === 0))
      damage.push(
        `${name}: ${inside ? "spare lane" : "halo"} of example ${example} channel ${channel} cell ${cell.join(",")} is ${found}, expected ${expected}`,
      );
  });
  return result;
}

/** Words outside of outputs and temporaries that changed. */
function inspect(words: Int32Array, before: Int32Array, regions: Regions, emission: Emission): string[] {
  const writable = [...regions.values, ...regions.temporaries];
  const damage: string[] = [];
  const inside = new Uint8Array(words.length);
  for (const { address, words: count } of writable) inside.fill(1, address / 4, address / 4 + count);
  inside.fill(1, regions.table, regions.table + Math.max(...emission.steps.map((step) => step.operands.length)));
  for (let word = 0; word < words.length && damage.length < 5; word++) {
    if (inside[word] === 0 && words[word] !== before[word]) damage.push(`word ${word} outside of every buffer was changed`);
  }
  return damage;
}
