import { size } from "../../../base/types.ts";
import { whileBelow } from "../../../emit/wasm/vectors.ts";
import type { Algorithm, Buffers, Device, Emission, LayoutChoice, OperandRef, StepSpec } from "../../contract.ts";
import { type Placement, plainLayout } from "../../layout.ts";
import type { GridLinearPlan, Role } from "../plan.ts";
import { largestDivisor } from "../tiles/outer.ts";
import { freeSlots, markBytes, mostSlots } from "../tiles/slots.ts";
import type { LocalCode, Planes } from "./code.ts";
import {
  type Cut,
  cellTable,
  cutOf,
  foldTable,
  gradientLayout,
  inputLayout,
  lanesOf,
  partRows,
  patchTable,
  placesOf,
  planeFloats,
  runOf,
  sumBytes,
  timeOf,
  turnCount,
  unfit,
} from "./problem.ts";
import { localRoutine, scratchBytes, slotsOf } from "./routine.ts";
import { addFold } from "./strips.ts";
import { largest, type TileCode } from "./tiles.ts";

function layoutsOf(plan: GridLinearPlan): LayoutChoice {
  const inputs = {
    forward: [plainLayout, inputLayout(plan)],
    kernel: [gradientLayout(plan), inputLayout(plan)],
    input: [plainLayout, gradientLayout(plan)],
  }[plan.role];
  return { inputs, operands: [], outputs: [1] };
}

const local = (role: Role): Algorithm<GridLinearPlan> => ({
  id: `wasm-grid-linear-${role}-local`,
  operator: "grid-linear",
  layouts: (plan, fusion, device) => (plan.role === role && fusion === null && unfit(plan, device) === null ? [layoutsOf(plan)] : []),
  refuses: (plan, _, fusion, device) => {
    if (plan.role !== role) return `computes role ${role} only.`;
    return fusion === null ? unfit(plan, device) : "a formula over the result is a step of its own.";
  },
  estimate: (plan, _, __, device) => timeOf(plan, device),
  emit: (plan, buffers, _, device) => emitLocal(plan, buffers, device),
});

const planesOf = (at: Placement, entries: number): Planes => ({ example: 4 * at.exampleStride, plane: 4 * at.blockStride, entries });

function tileOf(plan: GridLinearPlan, cut: Cut, device: Device): TileCode {
  const plane = 4 * planeFloats(plan);
  const outer = (plan.channelsIn / plan.groups) * plane;
  const input = plan.role === "input";
  return {
    lanes: lanesOf(device),
    fma: device.fma,
    rowPlane: input ? plane : outer,
    columnPlane: input ? outer : plane,
    pitch: cut.pitch,
    columnExample: cut.sources * cut.pitch,
    rowExample: { forward: largest.rows * cut.pitch, kernel: partRows(cut) * cut.pitch, input: sumBytes(plan, cut) }[plan.role],
    rowPitch: input ? cut.strips * cut.pitch : cut.pitch,
  };
}

function emitLocal(plan: GridLinearPlan, buffers: Buffers, device: Device): Emission {
  const { role, groups } = plan;
  const at = placesOf(plan, [...buffers.inputs, ...buffers.outputs]);
  const cut = cutOf(plan, device);
  const tile = tileOf(plan, cut, device);
  const turns = turnCount(plan);
  const run = runOf(plan);
  const [input, output] = [planesOf(at.input, cut.taps / run), planesOf(at.output, 1)];
  const sums = { example: turns * tile.rowExample, plane: tile.rowPitch, entries: 0 };
  const code: LocalCode = {
    role,
    cut,
    turns,
    groups,
    tile,
    kernelGroup: cut.rows * cut.sources * 4 * planeFloats(plan),
    run,
    source: role === "input" ? output : input,
    other: role === "input" ? sums : output,
  };
  // the cell before the first is a zero of G; no cell of Z is written
  const cells = cellTable(plan, at.output, role === "forward" ? -1 : 4 * (at.output.origin - 1));
  const patches = role === "input" ? cells : patchTable(plan, at.input);
  const constant = (index: number): OperandRef => ({ of: "constant", index, access: "read" });
  const given = (index: number): OperandRef => ({ of: "input", index, access: "read" });
  const made: OperandRef = { of: "output", index: 0, access: "write" };
  const scratch: OperandRef = { of: "temporary", index: 0, access: "update" };
  const marks: OperandRef = { of: "temporary", index: 1, access: "update" };
  const sumsAt: OperandRef = { of: "temporary", index: 2, access: "write" };
  const first = {
    forward: [given(1), given(0), made],
    kernel: [given(1), made, given(0)],
    input: [given(1), given(0), sumsAt],
  }[role];
  const main: StepSpec = {
    routine: localRoutine(code, device),
    operands: [...first, scratch, constant(0), constant(role === "input" ? 0 : 1), marks],
    chunks: { each: cut.chunks, group: 0 },
  };
  const free: StepSpec = { routine: freeSlots, operands: [{ ...marks, access: "write" }], chunks: { each: 1, group: 0 } };
  const temporaries = [slotsOf(cut) * scratchBytes(code), mostSlots * markBytes];
  if (role !== "input") return { temporaries, constants: [patches, cells], steps: [free, main] };
  return {
    temporaries: [...temporaries, plan.examples * sums.example],
    constants: [cells, foldTable(plan, cut, at.input)],
    steps: [free, main, foldStep(code, at.input, { ...sumsAt, access: "read" }, made, constant(1))],
  };
}

/** Most planes whose terms are gathered by one reading of the table. */
const foldPlanes = 4;

/** The step that gathers dV from the sums: dV[cell] = sum over its terms (copy, tap) of Q[copy, tap]. */
function foldStep({ other, tile }: LocalCode, at: Placement, sums: OperandRef, result: OperandRef, table: OperandRef): StepSpec {
  const planes = largestDivisor(at.channels, foldPlanes);
  const each = at.channels / planes;
  const cells = size(at.extents);
  const plane = 4 * at.blockStride;
  const numbers = { planes, each, cells, plane, example: 4 * at.exampleStride, sumPlane: tile.rowPitch, sumExample: other.example };
  return {
    routine: {
      key: `grid-linear local fold | ${JSON.stringify(numbers)}`,
      build: (module) => {
        const fold = addFold(module, planes, tile.rowPitch, plane);
        return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
          const [addresses, chunk, end] = f.parameters;
          whileBelow(f, chunk, end, 1, () => {
            const push = (operand: number, example: number, quad: number): void => {
              f.get(addresses)
                .memory("i32.load", 4 * operand)
                .get(chunk)
                .i32(each)
                .op("i32.div_u")
                .i32(example)
                .op("i32.mul", "i32.add");
              f.get(chunk)
                .i32(each)
                .op("i32.rem_u")
                .i32(planes * quad)
                .op("i32.mul", "i32.add");
            };
            push(0, other.example, tile.rowPitch);
            push(1, numbers.example, plane);
            f.get(addresses).memory("i32.load", 8).i32(cells).call(fold);
          });
        });
      },
    },
    operands: [sums, result, table],
    chunks: { each, group: 1 },
  };
}

/**
 * Tiled and locally connected layers: Z[co, o] = sum over ci, tap of K[co, ci, o mod t, tap] V[ci, o s + tap d - low], the kernel read once, as it
 * lies, for all examples. Source: Goodfellow et al. 2016, eq. 9.9 and 9.10.
 */
export const forwardLocal: Algorithm<GridLinearPlan> = local("forward");

/** Kernel gradient of tiled and locally connected layers: dK[co, ci, c, tap] = sum over examples and cells o with o mod t = c of G[co, o] V[ci, o s + tap d - low]. */
export const kernelLocal: Algorithm<GridLinearPlan> = local("kernel");

/** Input gradient of tiled and locally connected layers: V[ci, i] = sum over co, tap of K[co, ci, o mod t, tap] G[co, o] with i = o s + tap d - low. */
export const inputLocal: Algorithm<GridLinearPlan> = local("input");
