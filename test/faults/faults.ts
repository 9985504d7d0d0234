import type { Axis } from "../../src/grid/axis.ts";
import {
  type Algorithm,
  type Chunks,
  call,
  constant,
  type Expression,
  type LayoutChoice,
  operand,
  type PoolWindow,
} from "../../src/ops/contract.ts";
import { rebuild } from "../../src/ops/expression/simplify.ts";
import { flatForward } from "../../src/ops/grid-linear/blocked/wasm-flat.ts";
import { forwardBlocked } from "../../src/ops/grid-linear/blocked/wasm-forward.ts";
import { inputBlocked } from "../../src/ops/grid-linear/blocked/wasm-input.ts";
import { forwardDepthwise } from "../../src/ops/grid-linear/depthwise/wasm-depthwise.ts";
import { generalGridLinear } from "../../src/ops/grid-linear/general/wasm-general.ts";
import type { GridLinearPlan } from "../../src/ops/grid-linear/index.ts";
import { kernelBlocked } from "../../src/ops/grid-linear/kernel/wasm-blocked.ts";
import { connectedPairs } from "../../src/ops/grid-linear/plan.ts";
import { winogradAlgorithms } from "../../src/ops/grid-linear/winograd/wasm-winograd.ts";
import type { MatmulPlan } from "../../src/ops/matmul/index.ts";
import { plainMatmul } from "../../src/ops/matmul/wasm-matmul.ts";
import { plainMove } from "../../src/ops/move/wasm-move.ts";
import type { PointwisePlan } from "../../src/ops/pointwise/index.ts";
import { wasmPointwise } from "../../src/ops/pointwise/wasm-pointwise.ts";
import type { RandomPlan } from "../../src/ops/random/index.ts";
import { wasmRandom } from "../../src/ops/random/wasm-random.ts";
import type { SumsPlan } from "../../src/ops/reduce/index.ts";
import { wasmMoments } from "../../src/ops/reduce/wasm-moments.ts";
import { wasmReduce } from "../../src/ops/reduce/wasm-reduce.ts";
import { wasmSums } from "../../src/ops/reduce/wasm-sums.ts";
import { unrolledWindow } from "../../src/ops/window/wasm-unrolled.ts";
import { blockedWindow, plainWindow } from "../../src/ops/window/wasm-window.ts";
import { type Plant, withBuffers, withCode, withEmission, withFusion, withPlan, withPrologue, withSteps } from "./plant.ts";
import { textbookVariance } from "./textbook-variance.ts";

/** A bug, the algorithms that it is planted in, and the laws of which one at least must see it. */
export interface Fault {
  readonly name: string;
  readonly plant: Plant;
  readonly into: readonly Algorithm[];
  readonly laws: RegExp;
}

const every = <P>(...algorithms: readonly Algorithm<P>[]): readonly Algorithm[] => algorithms as readonly Algorithm[];
const convolution = (change: (plan: GridLinearPlan) => GridLinearPlan): Plant => withPlan<GridLinearPlan>(change);
const axes = (change: (axis: Axis) => Partial<Axis>): Plant =>
  convolution((plan) => ({ ...plan, axes: plan.axes.map((axis) => ({ ...axis, ...change(axis) })) }));
const fewer = ({ each, group }: Chunks): Chunks => ({ each: Math.max(0, each - 1), group });
const bare = <L extends { readonly halo: unknown }>(layouts: readonly L[]): L[] => layouts.map((layout) => ({ ...layout, halo: [] }));
const asking =
  (change: (choice: LayoutChoice) => LayoutChoice): Plant =>
  (sound) => ({
    ...sound,
    layouts: (plan, fusion, device) => sound.layouts(plan, fusion, device).map(change),
  });
/** Other windows than those that are asked for. */
const withPool = (change: (pool: PoolWindow) => PoolWindow): Plant =>
  withFusion((fusion) => (fusion.pool === undefined ? fusion : { ...fusion, pool: change(fusion.pool) }));
const [winogradForward] = winogradAlgorithms;
const oracle = /oracle|guard|short-batch|fusion/;

/** The group one further on. */
function shiftedGroups(plan: GridLinearPlan): GridLinearPlan {
  if (plan.groups < 2 || plan.connections !== null) return plan;
  const rows = Array.from({ length: plan.channelsOut }, () => new Array<string>(plan.channelsIn).fill("0"));
  const perGroup = plan.channelsIn / plan.groups;
  for (const { output, input } of connectedPairs(plan)) rows[output][(input + perGroup) % plan.channelsIn] = "1";
  return { ...plan, groups: 1, connections: rows.map((row) => row.join("")) };
}

const formula = (change: (part: Expression) => Expression): Plant =>
  withPlan<PointwisePlan>((plan) => ({ ...plan, expression: rebuild(plan.expression, change) }));
const leaky = (part: Expression): Expression =>
  part.kind === "call" && part.name === "relu"
    ? call("select", call("less", constant(0), part.inputs[0]), part.inputs[0], constant(0))
    : part;

const geometry: readonly Fault[] = [
  {
    name: "taps in the opposite order",
    plant: convolution((plan) => ({ ...plan, flip: !plan.flip })),
    into: every(generalGridLinear, forwardBlocked, inputBlocked, kernelBlocked, flatForward, forwardDepthwise),
    laws: oracle,
  },
  {
    name: "padding off by one",
    plant: axes(({ low, high }) => ({ low: low + 1, high: high - 1 })),
    into: every(generalGridLinear, forwardBlocked, kernelBlocked),
    laws: oracle,
  },
  {
    name: "stride and dilation swapped",
    plant: axes(({ stride, dilation }) => ({ stride: dilation, dilation: stride })),
    into: every(generalGridLinear, forwardBlocked),
    laws: oracle,
  },
  {
    name: "kernel copy of another axis",
    plant: convolution((plan) => {
      const periods = plan.axes.map(({ period }) => period).reverse();
      return { ...plan, axes: plan.axes.map((axis, i) => ({ ...axis, period: periods[i] })) };
    }),
    into: every(generalGridLinear),
    laws: oracle,
  },
  {
    name: "last input channel left out",
    plant: convolution((plan) =>
      plan.groups > 1 || plan.channelsIn < 2 || plan.connections !== null ? plan : { ...plan, channelsIn: plan.channelsIn - 1 },
    ),
    into: every(generalGridLinear, forwardBlocked),
    laws: oracle,
  },
  { name: "groups shifted by one", plant: convolution(shiftedGroups), into: every(generalGridLinear), laws: oracle },
  {
    name: "reflection instead of repetition at the border",
    plant: axes(({ border }) => ({ border: border === "replicate" ? "reflect" : border })),
    into: every(generalGridLinear),
    laws: oracle,
  },
  {
    name: "last term of every sum left out",
    plant: withPlan<MatmulPlan>((plan) => ({ ...plan, inner: plan.inner - 1 })),
    into: every(plainMatmul),
    laws: oracle,
  },
  {
    name: "A is not transposed",
    plant: withPlan<MatmulPlan>((plan) => ({ ...plan, transposeA: false })),
    into: every(plainMatmul),
    laws: oracle,
  },
  {
    name: "draws of another place in the net",
    plant: withPlan<RandomPlan>((plan) => ({ ...plan, salt: plan.salt + 1 })),
    into: every(wasmRandom),
    laws: oracle,
  },
];

const memory: readonly Fault[] = [
  {
    name: "strides of an output without its halo",
    plant: withBuffers((buffers) => ({ ...buffers, outputs: bare(buffers.outputs) })),
    into: [
      generalGridLinear,
      plainMatmul,
      plainMove,
      wasmPointwise,
      plainWindow,
      unrolledWindow,
      wasmReduce,
      forwardBlocked,
    ] as readonly Algorithm[],
    laws: oracle,
  },
  {
    name: "strides of an input without the halo of other consumers",
    plant: withBuffers((buffers) => ({ ...buffers, inputs: bare(buffers.inputs) })),
    into: [
      generalGridLinear,
      plainMatmul,
      plainMove,
      wasmPointwise,
      plainWindow,
      unrolledWindow,
      wasmReduce,
      wasmSums,
    ] as readonly Algorithm[],
    laws: oracle,
  },
  {
    name: "a halo that is read but not asked for",
    plant: asking((choice) => ({ ...choice, inputs: bare(choice.inputs) })),
    into: every(forwardBlocked, inputBlocked, kernelBlocked, flatForward, forwardDepthwise),
    laws: oracle,
  },
  {
    name: "a halo of ones instead of zeros",
    plant: asking((choice) => ({ ...choice, inputs: choice.inputs.map((layout) => ({ ...layout, fill: 1 })) })),
    into: every(forwardBlocked, inputBlocked, flatForward),
    laws: oracle,
  },
  {
    name: "spare lanes not cleared",
    plant: withCode({ "v128.and": ["drop"] }),
    into: [wasmPointwise, forwardBlocked] as readonly Algorithm[],
    laws: /guard|oracle|fusion/,
  },
  {
    name: "a buffer written that is declared as read",
    plant: withSteps((step) => ({
      ...step,
      operands: step.operands.map((ref) => (ref.of === "temporary" ? { ...ref, access: "read" } : ref)),
    })),
    into: [plainMatmul, forwardBlocked] as readonly Algorithm[],
    laws: /guard/,
  },
  {
    name: "output said to fit into the buffer of an input that is still read",
    plant: withEmission((emission) => ({ ...emission, inPlace: true })),
    into: every(plainMove),
    laws: /in-place/,
  },
  {
    name: "one key for different code",
    plant: (sound) => ({
      ...sound,
      emit: (...given) => {
        const emission = sound.emit(...given);
        return {
          ...emission,
          steps: emission.steps.map((step, i) => ({ ...step, routine: { ...step.routine, key: `${sound.id} ${i} cut short` } })),
        };
      },
    }),
    into: [wasmPointwise, forwardBlocked, plainMatmul] as readonly Algorithm[],
    laws: /oracle|nan|repeat|short-batch|fusion/,
  },
];

const sums: readonly Fault[] = [
  {
    name: "sums of one pass in the opposite order",
    plant: withPlan<SumsPlan>((plan) => ({ ...plan, expressions: [...plan.expressions].reverse() })),
    into: every(wasmSums),
    laws: oracle,
  },
  {
    name: "an operand of a summed formula read for another",
    plant: withPlan<SumsPlan>((plan) => ({
      ...plan,
      expressions: plan.expressions.map((own) => rebuild(own, (part) => (part.kind === "operand" && part.index === 1 ? operand(0) : part))),
    })),
    into: every(wasmSums),
    laws: oracle,
  },
];

const runs: readonly Fault[] = [
  {
    name: "a short batch taken for a full one",
    plant: withPrologue((f) => void f.i32(64).set(f.parameters[3])),
    into: [wasmReduce, wasmMoments, wasmSums, kernelBlocked, plainMatmul] as readonly Algorithm[],
    laws: oracle,
  },
  {
    name: "the last chunk never done",
    plant: withSteps((step) => ({ ...step, chunks: fewer(step.chunks) })),
    into: [generalGridLinear, forwardBlocked, plainMove, plainWindow, unrolledWindow, wasmReduce] as readonly Algorithm[],
    laws: oracle,
  },
  {
    name: "the first chunk never done",
    plant: withPrologue((f) => void f.get(f.parameters[1]).i32(0).op("i32.eq").get(f.parameters[1]).op("i32.add").set(f.parameters[1])),
    into: [forwardBlocked, wasmPointwise, plainMatmul] as readonly Algorithm[],
    laws: oracle,
  },
  {
    name: "only chunks that come in one call are done",
    plant: onlyWhole(),
    into: [generalGridLinear, plainMove, wasmReduce] as readonly Algorithm[],
    laws: /repeat/,
  },
];

/** A chunk on its own is skipped unless it is the first: as if the others relied on what the first has done. */
function onlyWhole(): Plant {
  return withPrologue((f) => {
    const [, begin, end] = f.parameters;
    f.get(begin).i32(0).op("i32.gt_s");
    f.if(() => void f.get(begin).set(end));
  });
}

const values: readonly Fault[] = [
  {
    name: "ties go to the last cell",
    plant: withCode({ "f32.gt": ["f32.ge"], "f32x4.gt": ["f32x4.ge"], "f32x4.le": ["f32x4.lt"] }),
    into: every(plainWindow, blockedWindow, unrolledWindow),
    laws: /oracle/,
  },
  {
    name: "NaN does not win a maximum",
    plant: withCode({ "f32.ne": ["f32.lt"], "f32x4.ne": ["f32x4.lt"] }),
    into: every(plainWindow, blockedWindow),
    laws: /nan/,
  },
  { name: "relu that swallows NaN", plant: formula(leaky), into: every(wasmPointwise), laws: /nan/ },
  {
    name: "relu that swallows NaN, fused",
    plant: withFusion(({ epilogue, operands }) => ({ epilogue: rebuild(epilogue, leaky), operands })),
    into: every(forwardBlocked),
    laws: /fusion-nan/,
  },
  {
    name: "constants of 20 bits",
    plant: formula((part) => (part.kind === "constant" ? constant(part.value * (1 + 2 ** -20)) : part)),
    into: every(wasmPointwise),
    laws: /oracle-real/,
  },
  {
    name: "fused operands swapped",
    plant: withFusion(({ epilogue, operands }) => ({
      epilogue: rebuild(epilogue, (part) =>
        part.kind === "operand" && part.index > 0 && operands.length > 1 ? operand(operands.length + 1 - part.index) : part,
      ),
      operands,
    })),
    into: every(forwardBlocked, forwardDepthwise),
    laws: /fusion|guard/,
  },
  {
    name: "fused formula left out",
    plant: withFusion(({ operands }) => ({ epilogue: operand(0), operands })),
    into: every(forwardBlocked, inputBlocked, flatForward),
    laws: /fusion/,
  },
  {
    name: "windows of other extents, fused",
    plant: withPool(({ extents }) => ({ extents: [...extents].reverse() })),
    into: every(forwardBlocked, flatForward, winogradForward),
    laws: /fusion|guard/,
  },
  {
    name: "a fused window of which the first cell alone counts",
    plant: withCode({ "f32x4.pmax": ["drop"], "f32x4.ne": ["f32x4.lt"] }),
    into: every(forwardBlocked, winogradForward),
    laws: /fusion/,
  },
  {
    name: "NaN does not win a fused window",
    plant: withCode({ "f32x4.ne": ["f32x4.lt"] }),
    into: every(forwardBlocked, winogradForward),
    laws: /fusion-nan/,
  },
  {
    name: "bands of a row no longer than its last one",
    plant: withEmission(({ constants, ...emission }) => ({
      ...emission,
      constants: constants.map((table, i) => (i === 1 ? (constants[2] ?? table) : table)),
    })),
    into: every(forwardBlocked, flatForward),
    laws: /fusion|guard/,
  },
  {
    name: "variance as the mean of squares less the square of the mean",
    plant: () => textbookVariance,
    into: [wasmMoments] as readonly Algorithm[],
    laws: /oracle-real/,
  },
  { name: "indices outside of the axis are read", plant: withCode({ "i32.lt_u": ["i32.ne"] }), into: every(plainMove), laws: /./ },
];

const words: readonly Fault[] = [
  {
    name: "a predicted time that is no number",
    plant: (sound) => ({ ...sound, estimate: () => Number.NaN }),
    into: every(forwardBlocked),
    laws: /estimate/,
  },
  {
    name: "a refusal that is no sentence",
    plant: (sound) => ({
      ...sound,
      refuses: (plan, choice, fusion, device) => (choice.outputs[0] === 8 ? "no" : sound.refuses(plan, choice, fusion, device)),
    }),
    into: every(forwardBlocked),
    laws: /refusal/,
  },
];

export const faults: readonly Fault[] = [...geometry, ...memory, ...sums, ...runs, ...values, ...words];
