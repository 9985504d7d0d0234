import { gridLinear } from "../src/ops/grid-linear/index.ts";
import type { GridLinearPlan } from "../src/ops/grid-linear/plan.ts";
import { leastTraffic } from "./cases/layers.ts";
import type { Cell } from "./measure.ts";
import { memoryShare, type Peak, type Row, routineShares } from "./report.ts";
import type { Table } from "./table.ts";

/** What layers of one kind must reach and aim at: a share of the multiply-add peak or of the memory's speed, or so many times a peer's speed. */
interface Goal {
  readonly work: string;
  readonly must: number;
  readonly aim: number;
  readonly unit: "peak" | "memory" | "times";
  readonly holds: (plan: GridLinearPlan) => boolean;
  /** By plain sums; by what was chosen when left out. */
  readonly direct?: true;
}

/** What a goal is held against. */
const ours = "toeplitz";
const direct = "toeplitz-direct";
const peer = "onnxruntime-node";

type Of = (plan: GridLinearPlan) => boolean;

const all =
  (...of: readonly Of[]): Of =>
  (plan) =>
    of.every((holds) => holds(plan));
const some =
  (...of: readonly Of[]): Of =>
  (plan) =>
    of.some((holds) => holds(plan));
const extents =
  (key: "kernel" | "stride" | "dilation" | "period", ...values: readonly number[]): Of =>
  ({ axes }) =>
    axes.length === values.length && axes.every((axis, i) => axis[key] === values[i]);
const each =
  (key: "stride" | "dilation" | "period", value: number): Of =>
  ({ axes }) =>
    axes.every((axis) => axis[key] === value);
const role =
  (wanted: GridLinearPlan["role"]): Of =>
  (plan) =>
    plan.role === wanted;

/** Bytes that stay in the second cache of one core. */
const nearBytes = 2 ** 21;
const fitsCache: Of = (plan) => {
  const { read, written } = leastTraffic(gridLinear.line(plan));
  return read + written <= nearBytes;
};
const usual = all(each("period", 1), each("dilation", 1), ({ axes, groups }) => groups === 1 && axes.length > 0);
const wide: Of = ({ channelsIn, channelsOut }) => Math.min(channelsIn, channelsOut) >= 64;
const square = all(role("forward"), usual, wide, extents("kernel", 3, 3), each("stride", 1));
const few: Of = ({ channelsIn }) => channelsIn <= 3;
const inputGradient = all(role("input"), usual);
const depthwise: Of = ({ groups, channelsIn, channelsOut }) => groups > 1 && groups === channelsIn && groups === channelsOut;
const againstPeer = some(
  all(extents("kernel", 7, 7), each("stride", 2), few),
  all(extents("kernel", 80), each("stride", 4)),
  all(extents("kernel", 3, 3, 3), ({ channelsIn }) => channelsIn === 16),
);

// biome-ignore format: one row per line
const goals: readonly Goal[] = [
  { work: "3x3 stride 1, direct", must: 0.8, aim: 0.88, unit: "peak", direct: true, holds: square },
  { work: "3x3 stride 1, effective", must: 2, aim: 2.6, unit: "peak", holds: square },
  { work: "3x3 stride 1, whole program", must: 1.8, aim: 2.6, unit: "times", holds: square },
  { work: "3x3 stride 2", must: 0.75, aim: 0.85, unit: "peak", holds: all(role("forward"), usual, extents("kernel", 3, 3), each("stride", 2)) },
  { work: "1x1", must: 0.72, aim: 0.85, unit: "peak", holds: all(role("forward"), usual, extents("kernel", 1, 1)) },
  { work: "dense 512, batch 8 and more", must: 0.78, aim: 0.85, unit: "peak", holds: ({ axes, channelsIn, examples }) => axes.length === 0 && channelsIn === 512 && examples >= 8 },
  { work: "kernel gradient, direct", must: 0.8, aim: 0.88, unit: "peak", direct: true, holds: all(role("kernel"), usual) },
  { work: "kernel gradient", must: 0.8, aim: 0.88, unit: "peak", holds: all(role("kernel"), usual) },
  { work: "input gradient, stride 1, direct", must: 0.78, aim: 0.88, unit: "peak", direct: true, holds: all(inputGradient, each("stride", 1)) },
  { work: "input gradient, stride 1", must: 0.78, aim: 0.88, unit: "peak", holds: all(inputGradient, each("stride", 1)) },
  { work: "input gradient, stride 2", must: 0.65, aim: 0.88, unit: "peak", holds: all(inputGradient, each("stride", 2)) },
  { work: "depthwise 3x3, maps in the second cache", must: 0.6, aim: 0.69, unit: "peak", holds: all(role("forward"), depthwise, extents("kernel", 3, 3), fitsCache) },
  { work: "7x7 s2 of 3 channels; k80 s4; 3x3x3 of 16 channels", must: 1, aim: 1.5, unit: "times", holds: all(role("forward"), usual, againstPeer) },
  { work: "tiled and locally connected", must: 0.7, aim: 0.85, unit: "memory", holds: (plan) => !each("period", 1)(plan) },
];

/** What one line reached: by medians, and by least times. */
type Reached = readonly [middle: number, best: number];

function reachedBy({ unit, direct: isDirect }: Goal, row: Row, peak: Peak | undefined): Reached | undefined {
  const cell = (name: string): Cell | undefined => row.cells.find(({ contender }) => contender === name);
  const own = cell(ours);
  if (own === undefined) return undefined;
  if (unit === "times") {
    const other = cell(peer);
    if (own.median === undefined || other?.median === undefined) return undefined;
    return [other.median / own.median, (other.lowest ?? other.median) / (own.lowest ?? own.median)];
  }
  const alone = (isDirect === true ? cell(direct)?.routine : undefined) ?? own.routine;
  if (alone === undefined || (isDirect === true && /winograd|fft/.test(alone.algorithm))) return undefined;
  if (unit === "peak") return routineShares(row, alone);
  if (peak === undefined || row.traffic === undefined) return undefined;
  return [memoryShare(row.traffic, peak, alone.median), memoryShare(row.traffic, peak, alone.lowest)];
}

const mean = (values: readonly number[]): number => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** The goals that the rows of layers speak of, and what was reached: the least of the lines and their geometric mean. */
export function goalTable(rows: readonly Row[], peakOf: (row: Row) => Peak | undefined): Table {
  const planned = rows.flatMap((row) => (row.line === undefined ? [] : [{ row, plan: gridLinear.parse(row.line) }]));
  const body = goals.flatMap((goal): string[][][] => {
    const reached = planned.flatMap(({ row, plan }) => {
      const shares = goal.holds(plan) ? reachedBy(goal, row, peakOf(row)) : undefined;
      return shares === undefined ? [] : [{ name: row.name, shares }];
    });
    if (reached.length === 0) return [];
    const print = (value: number): string => (goal.unit === "times" ? `${value.toFixed(2)} x` : `${Math.round(100 * value)} %`);
    const least = reached.reduce((worst, next) => (next.shares[0] < worst.shares[0] ? next : worst));
    const pass = reached.filter(({ shares }) => shares[0] >= goal.must).length;
    const both = (of: (index: 0 | 1) => number): string => `${print(of(0))} (${print(of(1))})`;
    return [
      [
        goal.unit === "times" ? `${goal.work}, over ${peer}` : goal.unit === "memory" ? `${goal.work}, of the memory` : goal.work,
        print(goal.must),
        print(goal.aim),
        both((index) => mean(reached.map(({ shares }) => shares[index]))),
        both((index) => least.shares[index]),
        least.name,
        `${pass} of ${reached.length}`,
      ].map((text) => [text]),
    ];
  });
  return {
    title: "what was reached",
    header: ["work", "must", "aim", "geometric mean", "least", "where", "lines that reach it"],
    rows: body,
    notes: [
      "Routines alone, of the multiply-add loop in the same process, taps on padding included; by medians, in brackets by least times. Work against the peer: whole programs.",
    ],
  };
}
