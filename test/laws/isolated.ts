import { invariant } from "../../src/base/errors.ts";
import type { TensorType } from "../../src/base/types.ts";
import {
  type Algorithm,
  type Buffers,
  chunkCount,
  type Device,
  type Emission,
  type Fusion,
  type Layout,
  type LayoutChoice,
  type OperandRef,
  type Operator,
} from "../../src/ops/contract.ts";
import { printLayout } from "../../src/ops/layout.ts";
import { pooledType } from "../../src/ops/pool.ts";
import { arena, type CellMap, cellMap, type RoutineFunction } from "./arena.ts";

/** One algorithm on one plan, alone in memory, between guard zones. */
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
  /** Halo that other consumers want around inputs and operands, beyond what the choice asks for. */
  readonly inputHalo?: { readonly low: number; readonly high: number };
  /** How chunks are taken, for the laws of repetition: a permutation of chunk numbers per step. */
  readonly order?: (chunks: number) => readonly number[];
  /** Input whose buffer the output shares, where the emission says that it may. */
  readonly inPlace?: { readonly output: number; readonly input: number };
}

export interface TrialResult {
  readonly outputs: Float64Array[];
  /** What was broken outside the promised cells: guard zones, inputs, halos, spare lanes. */
  readonly damage: string[];
  readonly emission: Emission;
  /** Chunks of every step. */
  readonly chunks: readonly number[];
  /** Runs the steps once more and returns the ms that it took; for timing, before the next trial. */
  readonly again: () => number;
}

interface Region {
  readonly address: number;
  readonly words: number;
}

const guardWords = 64;
/** A NaN as a float, and far out of every range as an index. */
const guardBits = 0x7fc0dead;
/** Words of the table of addresses. */
const table = 16;
const firstWord = 64;

/** Runs an algorithm outside of any session: layouts as chosen, buffers NaN-filled, guards around each. */
export function runAlone<P>(trial: Trial<P>): TrialResult {
  const { operator, algorithm, plan, device } = trial;
  const fusion = trial.fusion ?? null;
  const choice = trial.choice ?? algorithm.layouts(plan, fusion, device)[0];
  invariant(choice !== undefined, () => `${algorithm.id} offers no layout for ${operator.line(plan)}`);
  const buffers = buffersOf(trial, choice);
  const emission = algorithm.emit(plan, buffers, fusion, device);
  const [given, made] = [[...operator.inputs(plan), ...(fusion?.operands ?? [])], madeOf(trial)];
  const layouts = [...buffers.inputs, ...buffers.operands];
  const inputs = given.map((type, i) => cellMap(type, layouts[i]));
  const outputs = made.map((type, i) => cellMap(type, buffers.outputs[i]));
  const regions = layOut(emission, inputs, outputs, trial.inPlace);
  const { words, floats } = arena;
  words.fill(guardBits, 0, regions.end);
  const examples = trial.examples ?? [...given, ...made].find((type) => type.batched)?.shape[0] ?? 1;
  made.forEach((_, i) => {
    for (const word of outputs[i].halo) floats[regions.outputs[i].address + word] = buffers.outputs[i].fill;
  });
  given.forEach((type, i) => {
    store(type, inputs[i], layouts[i], regions.inputs[i], trial.inputs[i], type.batched ? examples : 1);
  });
  emission.constants.forEach((constant, i) => {
    words.set(new Int32Array(constant.buffer, constant.byteOffset, constant.length), regions.constants[i].address);
  });
  const before = words.slice(0, regions.end);
  const steps = prepare(trial, emission, buffers, regions, examples);
  const damage: string[] = [];
  for (const step of steps) runStep(step, examples, damage);
  inspect(before, regions, damage);
  const results = made.map((type, i) =>
    load(type, outputs[i], buffers.outputs[i], regions.outputs[i], type.batched ? examples : 1, damage),
  );
  const again = (): number => {
    const start = performance.now();
    for (const step of steps) runStep(step, examples, null);
    return performance.now() - start;
  };
  return { outputs: results, damage, emission, chunks: emission.steps.map((step) => chunkCount(step.chunks, examples)), again };
}

/** The halo that the planner gives to values of a batch with cells behind their channels. */
const haloAxes = (type: TensorType): number => (type.batched ? Math.max(0, type.shape.length - 2) : 0);

/** What the trial gives: the operator's outputs, or the largest cells of windows over them. */
const madeOf = <P>({ operator, plan, fusion }: Trial<P>): TensorType[] =>
  operator.outputs(plan).map((type) => pooledType(type, fusion?.pool));

function buffersOf<P>(trial: Trial<P>, choice: LayoutChoice): Buffers {
  const { operator, plan, outputHalo, inputHalo, fusion } = trial;
  const outputs = madeOf(trial).map((type, i): Layout => {
    const block = choice.outputs[i];
    if (outputHalo === undefined) return { block, halo: [], fill: 0 };
    const { low, high, fill } = outputHalo;
    return { block, halo: Array.from({ length: haloAxes(type) }, () => ({ low, high })), fill };
  });
  const widen = (types: readonly TensorType[], layouts: readonly Layout[]): Layout[] =>
    layouts.map((layout, i) => {
      const axes = haloAxes(types[i]);
      if (inputHalo === undefined || axes === 0) return layout;
      const asked = layout.halo.some(({ low, high }) => low > 0 || high > 0);
      const halo = Array.from({ length: axes }, (_, axis) => ({
        low: (layout.halo[axis]?.low ?? 0) + inputHalo.low,
        high: (layout.halo[axis]?.high ?? 0) + inputHalo.high,
      }));
      return { block: layout.block, halo, fill: asked ? layout.fill : Number.NaN };
    });
  return { inputs: widen(operator.inputs(plan), choice.inputs), operands: widen(fusion?.operands ?? [], choice.operands), outputs };
}

/** Addresses in words. */
interface Regions {
  readonly inputs: readonly Region[];
  readonly outputs: readonly Region[];
  readonly temporaries: readonly Region[];
  readonly constants: readonly Region[];
  readonly end: number;
}

function layOut(emission: Emission, inputs: readonly CellMap[], outputs: readonly CellMap[], inPlace: Trial<unknown>["inPlace"]): Regions {
  let next = firstWord;
  const region = (words: number): Region => {
    const address = next + guardWords;
    next = address + Math.ceil(words / 16) * 16 + guardWords;
    return { address, words };
  };
  const ins = inputs.map(({ words }) => region(words));
  const regions = {
    inputs: ins,
    outputs: outputs.map(({ words }, i) => (i === inPlace?.output ? ins[inPlace.input] : region(words))),
    temporaries: emission.temporaries.map((bytes) => region(Math.ceil(bytes / 4))),
    constants: emission.constants.map(({ length }) => region(length)),
    end: next,
  };
  arena.reserve(next);
  return { ...regions, end: next };
}

interface PreparedStep {
  readonly call: RoutineFunction;
  readonly addresses: readonly number[];
  /** Regions that the step may only read although others write them. */
  readonly readOnly: readonly Region[];
  readonly total: number;
  readonly order: readonly number[] | null;
}

function prepare<P>(trial: Trial<P>, emission: Emission, buffers: Buffers, regions: Regions, examples: number): PreparedStep[] {
  const inputs = buffers.inputs.length;
  const regionOf = ({ of, index }: OperandRef): Region => {
    const from = {
      input: regions.inputs[index],
      operand: regions.inputs[inputs + index],
      output: regions.outputs[index],
      temporary: regions.temporaries[index],
      constant: regions.constants[index],
    };
    return from[of];
  };
  const layouts = [...buffers.inputs, ...buffers.operands, ...buffers.outputs].map(printLayout).join(" ");
  const source = [trial.algorithm.id, trial.operator.line(trial.plan), layouts, JSON.stringify(trial.fusion ?? null), trial.device.tier];
  return emission.steps.map((step, position) => {
    invariant(step.operands.length <= firstWord - table, () => `${trial.algorithm.id}: ${step.operands.length} operands`);
    const total = chunkCount(step.chunks, examples);
    return {
      call: arena.routine(step.routine, trial.device, `${position} ${source.join(" | ")}`),
      addresses: step.operands.map((ref) => 4 * regionOf(ref).address),
      readOnly: step.operands.filter(({ of, access }) => access === "read" && (of === "temporary" || of === "output")).map(regionOf),
      total,
      order: trial.order?.(total) ?? null,
    };
  });
}

function runStep({ call, addresses, readOnly, total, order }: PreparedStep, examples: number, damage: string[] | null): void {
  const { words } = arena;
  words.set(addresses, table);
  const copies = damage === null ? [] : readOnly.map(({ address, words: count }) => words.slice(address, address + count));
  if (order === null) call(4 * table, 0, total, examples);
  else for (const chunk of order) call(4 * table, chunk, chunk + 1, examples);
  copies.forEach((copy, i) => {
    const changed = copy.findIndex((word, at) => word !== words[readOnly[i].address + at]);
    if (changed >= 0) damage?.push(`word ${changed} of a buffer that a step only reads was changed`);
  });
}

/** Writes the cells of so many examples; the further ones stay garbage. */
function store(type: TensorType, map: CellMap, layout: Layout, { address }: Region, cells: ArrayLike<number>, examples: number): void {
  const { words, floats } = arena;
  const end = examples * map.exampleStride;
  for (const word of map.halo) if (word < end) floats[address + word] = layout.fill;
  for (const word of map.spare) if (word < end) words[address + word] = 0;
  const target = type.dtype === "f32" ? floats : words;
  for (let i = 0; i < map.cells.length; i++) if (map.cells[i] < end) target[address + map.cells[i]] = cells[i];
}

/** Reads the cells of so many examples; notes halo and spare lanes that are not as promised. */
function load(type: TensorType, map: CellMap, layout: Layout, { address }: Region, examples: number, damage: string[]): Float64Array {
  const { words, floats } = arena;
  const end = examples * map.exampleStride;
  const source = type.dtype === "f32" ? floats : words;
  const check = (what: string, list: Int32Array, expected: number): void => {
    for (const word of list) {
      const found = floats[address + word];
      if (word >= end || Object.is(found, expected) || found === expected || damage.length >= 5) continue;
      damage.push(`${what} at word ${word} of the output is ${found}, expected ${expected}`);
    }
  };
  check("halo", map.halo, layout.fill);
  check("spare lane", map.spare, 0);
  const cells = map.cells.subarray(0, type.batched ? (map.cells.length / type.shape[0]) * examples : map.cells.length);
  const result = new Float64Array(cells.length);
  for (let i = 0; i < cells.length; i++) result[i] = source[address + cells[i]];
  return result;
}

/** Notes words outside of outputs, temporaries and the table of addresses that changed. */
function inspect(before: Int32Array, { inputs, outputs, temporaries, constants, end }: Regions, damage: string[]): void {
  const { words } = arena;
  const writable = [{ address: table, words: firstWord - table }, ...outputs, ...temporaries].sort((a, b) => a.address - b.address);
  let from = 0;
  const check = (to: number): void => {
    for (let word = from; word < to && damage.length < 5; word++) {
      if (words[word] === before[word]) continue;
      const name = (list: readonly Region[]): number => list.findIndex((own) => word >= own.address && word < own.address + own.words);
      const [input, constant] = [name(inputs), name(constants)];
      const where = input >= 0 ? `of input ${input}` : constant >= 0 ? `of table ${constant}` : "outside of every buffer";
      damage.push(`word ${word} ${where} was changed`);
    }
  };
  for (const { address, words: count } of writable) {
    check(address);
    from = Math.max(from, address + count);
  }
  check(end);
}
