import { size } from "../../../base/types.ts";
import type { Algorithm, Buffers, Device, Emission, Fusion, LayoutChoice, OperandRef, StepSpec } from "../../contract.ts";
import { printExpression } from "../../expression/print.ts";
import { blockedLayout, place, plainLayout, preferredBlock } from "../../layout.ts";
import { evenParts } from "../../units.ts";
import { gridLinear } from "../index.ts";
import { rate } from "../kernel/plan.ts";
import { type GridLinearPlan, parts, type Role, typesOf } from "../plan.ts";
import { type FusedOperand, fusedOperand, fusedPlace } from "../tiles/fused.ts";
import { mostRows, splitEvenly } from "../tiles/outer.ts";
import { type DotCode, dotRecord, dotRoutine, tileBytes } from "./dot.ts";
import { type OuterCode, type OuterNumbers, outerRecord, outerRoutine } from "./outer.ts";
import { copyRecord, copyStep, isDense, type View, viewOf } from "./view.ts";

/** Chunks of a node at most, and ns of one. */
const mostChunks = 64;
const chunkNs = 40_000;
/** Bytes of a kernel that stay in the second cache from run to run; bytes in a ns of one that do, and of one that do not. */
const nearBytes = 2 ** 20;
const nearRate = 60;
const farRate = 12;
/** Examples that meet a part of the kernel while it is in a near cache. */
const groupExamples = 64;
/** Rows of the kernel gradient that a chunk goes along. */
const groupRows = 96;
/** Bytes of column tiles that rows of tiles go along. */
const groupBytes = 64 * 1024;
/** Steps that lie so far apart are packed first: each would be a page and a cache set of its own. */
const pageBytes = 4096;
/** ns of adding up the lanes of a sum. */
const endNs = 3.5;
/** Floats of a sum that are done at a time. */
const blockLength = 1024;

/**
 * Dense layer (no axes, or a kernel that covers the whole input): Z = V K^T, its input gradient dV = G K and its kernel gradient dK = G^T V, as
 * matrix products over plain rows. The forward role sums along the rows of V and K as they lie, so that no kernel is packed.
 * Source: Goodfellow et al. 2016, eq. 6.36 and 6.5.6; section 9.1 for the kernel that covers the input.
 */
const dense = (role: Role): Algorithm<GridLinearPlan> => ({
  id: `wasm-grid-linear-${role}-dense`,
  operator: "grid-linear",
  layouts: (plan, fusion, device) => (unfit(plan, role) === null ? layoutsOf(plan, fusion, device) : []),
  refuses: (plan) => unfit(plan, role),
  estimate: (plan, _, __, device) => {
    const bytes = 4 * size(typesOf(plan).kernel.shape);
    const { multiplyAdds } = gridLinear.cost(plan);
    if (role === "forward")
      return (
        300 + multiplyAdds / (0.9 * rate(device)) + endNs * plan.examples * plan.channelsOut + bytes / (bytes <= nearBytes ? nearRate : 26)
      );
    return 300 + Math.max(multiplyAdds / (0.7 * rate(device)), bytes / (bytes <= nearBytes ? 40 : farRate));
  },
  emit: role === "forward" ? emitForward : emitOuter,
});

export const denseForward: Algorithm<GridLinearPlan> = dense("forward");
export const denseInput: Algorithm<GridLinearPlan> = dense("input");
export const denseKernel: Algorithm<GridLinearPlan> = dense("kernel");

function unfit(plan: GridLinearPlan, role: Role): string | null {
  if (plan.role !== role) return `computes role ${role} only.`;
  if (!isDense(plan)) return "the kernel does not cover the whole input without padding.";
  if (!plan.batched) return "rows are examples, and there is no example axis.";
  if (plan.groups > 1 || plan.connections !== null) return "not all channels are connected.";
  if (plan.axes.some(({ period }) => period > 1)) return "kernel copies differ from cell to cell (period above 1).";
  return null;
}

const resultOf = (plan: GridLinearPlan): ReturnType<typeof typesOf>["output"] => typesOf(plan)[parts[plan.role].result];

/** Plain everywhere; without axes a row of blocks is a plain row with spare lanes at its end, which will do as well. */
function layoutsOf(plan: GridLinearPlan, fusion: Fusion | null, device: Device): LayoutChoice[] {
  if (plan.role === "kernel" && fusion !== null) return [];
  const result = resultOf(plan);
  const fused = (fusion?.operands ?? []).map((type) => fusedOperand(type, result));
  if (fused.some((operand) => operand === null || (plan.axes.length > 0 && (operand.moves || (plan.role === "input" && !operand.splat)))))
    return [];
  const blocks = (channels: number): number[] => (plan.axes.length === 0 ? [1, preferredBlock(channels, device.wide)] : [1]);
  const operandBlocks = parts[plan.role].operands.map((name) =>
    name === "kernel" ? [1] : blocks(name === "input" ? plan.channelsIn : plan.channelsOut),
  );
  const resultBlocks = plan.role === "kernel" ? [1] : blocks(result.shape[1]);
  return resultBlocks.flatMap((to) =>
    operandBlocks[0].flatMap((first) =>
      operandBlocks[1].map((second) => ({
        inputs: [blockedLayout(first), blockedLayout(second)],
        operands: fused.map((operand) => (operand?.moves && !operand.splat ? blockedLayout(to) : plainLayout)),
        outputs: [to],
      })),
    ),
  );
}

/** Collects temporaries, constants and the copies around the main step. */
class Steps {
  readonly temporaries: number[] = [];
  readonly constants: Int32Array[] = [];
  readonly steps: StepSpec[] = [];
  readonly #after: StepSpec[] = [];
  readonly #examples: number;

  constructor(examples: number) {
    this.#examples = examples;
  }

  temporary(bytes: number): number {
    return this.temporaries.push(bytes) - 1;
  }

  constant(words: Int32Array): OperandRef {
    return { of: "constant", index: this.constants.push(words) - 1, access: "read" };
  }

  /** The operand as a matrix whose rows lie without gaps. */
  read(view: View, value: OperandRef): { view: View; operand: OperandRef } {
    return this.#copied(view, value, "gather");
  }

  write(view: View, value: OperandRef): { view: View; operand: OperandRef } {
    return this.#copied(view, value, "scatter");
  }

  #copied(view: View, value: OperandRef, direction: "gather" | "scatter"): { view: View; operand: OperandRef } {
    if (view.scattered === null) return { view, operand: value };
    const index = this.temporary(4 * view.columns * this.#examples);
    const matrix = (access: OperandRef["access"]): OperandRef => ({ of: "temporary", index, access });
    const record = this.constant(copyRecord(view));
    if (direction === "gather") this.steps.push(copyStep(direction, value, matrix("write"), record));
    else this.#after.push(copyStep(direction, matrix("read"), value, record));
    return { view: { ...view, rowBytes: 4 * view.columns, scattered: null }, operand: matrix(direction === "gather" ? "read" : "write") };
  }

  emission(main: StepSpec): Emission {
    return { temporaries: this.temporaries, constants: this.constants, steps: [...this.steps, main, ...this.#after] };
  }
}

interface Fused {
  readonly fused: FusedOperand[];
  readonly places: { start: number; row: number }[];
  readonly operands: OperandRef[];
}

function fusedOf(plan: GridLinearPlan, buffers: Buffers, fusion: Fusion | null): Fused {
  const result = resultOf(plan);
  const types = fusion?.operands ?? [];
  return {
    fused: types.map((type) => fusedOperand(type, result) ?? { splat: false, moves: true }),
    places: types.map((type, i) => {
      const { origin, exampleStride } = fusedPlace(type, buffers.operands[i], result, 1);
      return { start: 4 * origin, row: 4 * exampleStride };
    }),
    operands: types.map((_, index) => ({ of: "operand", index, access: "read" })),
  };
}

function wantedChunks(plan: GridLinearPlan, device: Device): number {
  const bytes = 4 * size(typesOf(plan).kernel.shape);
  const reading = bytes / (bytes <= nearBytes ? nearRate : farRate);
  return Math.min(mostChunks, evenParts(Math.max(gridLinear.cost(plan).multiplyAdds / rate(device), reading) / chunkNs));
}

/** Column tiles and the parts that chunks take: whole tiles, then one that reaches back over its neighbour. */
function tileColumns(
  columns: number,
  width: number,
  parts: number,
): { wholeTiles: number; allTiles: number; lastColumn: number; columnParts: number } {
  const wholeTiles = Math.max(1, Math.floor(columns / width));
  return {
    wholeTiles,
    allTiles: Math.ceil(columns / width),
    lastColumn: Math.max(0, columns - width),
    columnParts: Math.min(wholeTiles, parts),
  };
}

function emitForward(plan: GridLinearPlan, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const types = typesOf(plan);
  const steps = new Steps(plan.examples);
  const input = steps.read(viewOf(place(types.input, buffers.inputs[1]), plan.flip), { of: "input", index: 1, access: "read" });
  const output = steps.write(viewOf(place(types.output, buffers.outputs[0]), false), { of: "output", index: 0, access: "write" });
  const { fused, places, operands } = fusedOf(plan, buffers, fusion);
  const most = device.fma ? 12 : 10;
  const rows = Math.min(2, plan.examples);
  const code: DotCode = {
    rows,
    columns: splitEvenly(plan.channelsOut, Math.min(8, most / rows))[0],
    lanes: device.wide ? 8 : 4,
    fma: device.fma,
    spare: output.view.spare,
    epilogue: fusion?.epilogue ?? null,
    fused,
    key: keyOf(fusion, fused),
  };
  const rowUnit = Math.min(plan.examples, groupExamples);
  const groups = Math.ceil(plan.examples / rowUnit);
  const columns = tileColumns(plan.channelsOut, code.columns, Math.ceil(wantedChunks(plan, device) / groups));
  const scratchBytes = Math.ceil(rowUnit / rows) * tileBytes(code);
  const record = dotRecord(
    {
      ...columns,
      rowUnit,
      scratchBytes,
      blockLength,
      length: input.view.columns,
      leftRow: input.view.rowBytes,
      rightRow: 4 * input.view.columns,
      resultRow: output.view.rowBytes,
      spareStart: 4 * plan.channelsOut,
    },
    places,
    code.lanes,
  );
  const scratch = steps.temporary(groups * columns.columnParts * scratchBytes);
  return steps.emission({
    routine: dotRoutine(code, device),
    operands: [
      input.operand,
      { of: "input", index: 0, access: "read" },
      output.operand,
      { of: "temporary", index: scratch, access: "write" },
      steps.constant(record),
      ...operands,
    ],
    chunks: { each: columns.columnParts, group: rowUnit },
  });
}

const keyOf = (fusion: Fusion | null, fused: readonly FusedOperand[]): string =>
  fusion === null
    ? "-"
    : `${printExpression(fusion.epilogue)} ${fused.map(({ splat, moves }) => `${splat ? "s" : "v"}${moves ? "m" : "f"}`).join(",")}`;

/** The three matrices of an outer product: gradient, the input's side, and the kernel as it lies. */
function matricesOf(plan: GridLinearPlan, buffers: Buffers, steps: Steps) {
  const types = typesOf(plan);
  const own = plan.role === "input";
  const gradientAt = own ? 1 : 0;
  const gradient = steps.read(viewOf(place(types.output, buffers.inputs[gradientAt]), false), {
    of: "input",
    index: gradientAt,
    access: "read",
  });
  const view = viewOf(place(types.input, own ? buffers.outputs[0] : buffers.inputs[1]), plan.flip);
  const input = own
    ? steps.write(view, { of: "output", index: 0, access: "write" })
    : steps.read(view, { of: "input", index: 1, access: "read" });
  const { columns } = input.view;
  const whole: OperandRef = own ? { of: "input", index: 0, access: "read" } : { of: "output", index: 0, access: "write" };
  const kernel = { view: { columns, rowBytes: 4 * columns, spare: 0, scattered: null }, operand: whole };
  return { gradient, vectors: own ? kernel : input, result: own ? input : kernel };
}

/** Input gradient: rows = examples, steps = output channels; kernel gradient: rows = output channels, steps = examples. */
function emitOuter(plan: GridLinearPlan, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const steps = new Steps(plan.examples);
  const inputRole = plan.role === "input";
  const { gradient, vectors, result } = matricesOf(plan, buffers, steps);
  const { columns } = result.view;
  const [rowCount, stepCount] = inputRole ? [plan.examples, plan.channelsOut] : [plan.channelsOut, plan.examples];
  const tile = tileShape(rowCount, columns, device);
  const tileStep = 4 * tile.lanes;
  const rowUnit = Math.min(rowCount, Math.ceil((inputRole ? groupExamples : groupRows) / tile.rows) * tile.rows);
  const packed = rowUnit >= 4 * tile.rows && stepCount >= 64 && vectors.view.rowBytes >= pageBytes;
  const groupTiles = Math.max(1, Math.min(8, Math.floor(groupBytes / (stepCount * tileStep))));
  const { fused, places, operands } = fusedOf(plan, buffers, fusion);
  const code: OuterCode = {
    ...tile,
    packed,
    fma: device.fma,
    spare: result.view.spare,
    examplesAre: inputRole ? "rows" : "steps",
    epilogue: fusion?.epilogue ?? null,
    fused,
    key: keyOf(fusion, fused),
  };
  const groups = Math.ceil(rowCount / rowUnit);
  const tiles = tileColumns(columns, tile.lanes, Math.ceil(wantedChunks(plan, device) / groups));
  const scratchBytes = packed ? groupTiles * stepCount * tileStep : 0;
  const scratch = steps.temporary(Math.max(64, groups * tiles.columnParts * scratchBytes));
  const [splatRow, splatStep] = inputRole ? [gradient.view.rowBytes, 4] : [4, gradient.view.rowBytes];
  const numbers: OuterNumbers = {
    ...tiles,
    rowUnit,
    groupTiles,
    scratchBytes,
    splatRow,
    splatStep,
    rows: rowCount,
    steps: plan.channelsOut,
    vectorStep: vectors.view.rowBytes,
    resultRow: result.view.rowBytes,
    spareStart: 4 * columns,
  };
  const record = steps.constant(outerRecord(numbers, places));
  return steps.emission({
    routine: outerRoutine(code, device),
    operands: [
      gradient.operand,
      vectors.operand,
      result.operand,
      { of: "temporary", index: scratch, access: "write" },
      record,
      ...operands,
    ],
    chunks: { each: tiles.columnParts * (inputRole ? 1 : groups), group: inputRole ? rowUnit : 0 },
  });
}

/** Rows and lanes of a tile that fill the registers: more lanes where there are few rows, and no wider than the result. */
function tileShape(rowCount: number, columns: number, device: Device): { rows: number; lanes: number; stored: number } {
  const unit = device.wide ? 8 : 4;
  const fits = [8 * unit, 4 * unit, 2 * unit].find((lanes) => lanes <= columns && mostRows(device, lanes) >= Math.min(rowCount, 6));
  const lanes = fits ?? [2 * unit, unit, 4].find((wide) => wide <= columns) ?? 4;
  return { rows: splitEvenly(rowCount, Math.min(mostRows(device, lanes), 8))[0], lanes, stored: Math.min(lanes, columns) };
}
