import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, Layout, OperandRef, PoolWindow } from "../../contract.ts";
import { type Placement, place } from "../../layout.ts";
import { pooledType } from "../../pool.ts";
import type { GatherProblem } from "../gather.ts";
import { fusedPlace } from "../tiles/fused.ts";
import { freeSlots, markBytes, mostSlots } from "../tiles/slots.ts";
import { type BandCode, type BandStream, type Bands, bandRecord, bandRoutine, slotBytes } from "./bands-routine.ts";
import { type Cut, type CutProblem, cutAsIs } from "./cut.ts";
import { packRecord, packStep, panelBytes } from "./pack.ts";
import { gatherCode, gatherRecord, type LaidOut, layOut, phasesOf } from "./record.ts";

/** Bytes of a band's cells: they stay in the first cache from the tiles that write them to the windows that read them. */
const bandBytes = 20 * 1024;
/** ns of the way to a band, and of one vector register of its cells that is read again. */
const bandNs = 80;
const cellNs = 0.4;
/** Cells of a window at most: each has code of its own. */
const mostTaps = 32;

/** Why the largest cells of windows are not taken while they are made; null when they are, or when none are asked for. */
export function refusesBands({ sweeps }: GatherProblem, fusion: Fusion | null): string | null {
  if (fusion?.pool === undefined) return null;
  if (sweeps.some((list) => list.length > 1)) return "pools cells of one phase.";
  const taps = size(fusion.pool.extents);
  if (taps === 1) return "windows of one cell leave nothing to choose.";
  return taps > mostTaps ? `windows of ${taps} cells are too many to write out; ${mostTaps} are taken.` : null;
}

const lastThree = (list: readonly number[]): number[] => [1, 1, ...list].slice(-3);

/** Bands of at most so many bytes, and as many as there are parts if that can be. */
function bandsOf({ result }: GatherProblem, pool: PoolWindow, lanes: number, parts: number): Bands {
  const extents = lastThree(pool.extents);
  const [planes, down, across] = lastThree(pooledType(result, pool).shape.slice(2));
  const windowBytes = 4 * lanes * size(extents);
  const wanted = Math.max((windowBytes * across) / bandBytes, parts / (planes * down));
  const windows = Math.ceil(across / Math.min(across, Math.ceil(wanted)));
  const segments = Math.ceil(across / windows);
  const fits = (rows: number): boolean =>
    down % rows === 0 && rows * windows * windowBytes <= bandBytes && planes * (down / rows) * segments >= parts;
  const rows = segments > 1 ? 1 : (Array.from({ length: down }, (_, i) => down - i).find(fits) ?? 1);
  return { extents, windows, lastWindows: across - (segments - 1) * windows, rows, segments, lines: down / rows, planes };
}

/** The cut of a problem of whose cells those in whole windows are computed, band by band. */
export function cutBands(
  whole: GatherProblem,
  layout: Layout,
  lanes: number,
  pool: PoolWindow,
  device: Device,
): CutProblem & { readonly bands: Bands } {
  const { plan, result } = whole;
  const covered = pooledType(result, pool)
    .shape.slice(2)
    .map((extent, axis) => extent * pool.extents[axis]);
  const { problem, cut, tile, ns } = cutAsIs(withCounts(whole, covered), layout, lanes, device);
  const bands = bandsOf(whole, pool, lanes, cut.parts);
  const count = bands.segments * bands.lines * bands.planes;
  const blocks = plan.examples * Math.ceil(result.shape[1] / lanes);
  const registers = (size(covered) * lanes) / (device.wide ? 8 : 4);
  return {
    problem,
    tile,
    bands,
    cut: { ...cut, parts: Math.min(cut.parts, count) },
    ns: ns + blocks * (count * bandNs + registers * cellNs),
  };
}

/** The problem with so many cells on each axis, from the first one on. */
const withCounts = (problem: GatherProblem, counts: readonly number[]): GatherProblem => ({
  ...problem,
  sweeps: problem.sweeps.map((list, axis) => list.map((sweep) => ({ ...sweep, count: counts[axis] }))),
});

/** One block of a band's cells, one behind the other: the same place for every band and block. */
function scratchPlace(result: Placement, { extents, windows, rows }: Bands): Placement {
  const row = result.block * windows * extents[2];
  const strides = [row * rows * extents[1], row, result.block].slice(3 - result.extents.length);
  return { ...result, strides, origin: 0, exampleStride: 0, blockStride: 0 };
}

/** The routine of a band is that of a small problem; it is called with the addresses moved to where the band lies. */
export function emitBands(
  whole: GatherProblem,
  buffers: Buffers,
  fusion: Fusion & { readonly pool: PoolWindow },
  device: Device,
): Emission {
  const pooled = pooledType(whole.result, fusion.pool);
  const output = place(pooled, buffers.outputs[0]);
  const { problem, cut, tile, bands } = cutBands(whole, buffers.inputs[1], output.block, fusion.pool, device);
  const source = place(whole.source, buffers.inputs[1]);
  const result = scratchPlace(place(whole.result, { block: output.block, halo: [], fill: 0 }), bands);
  const [full, last] = [bands.windows, bands.lastWindows].map((windows): LaidOut => {
    const counts = [bands.extents[0], bands.rows * bands.extents[1], windows * bands.extents[2]];
    const own = withCounts(problem, counts.slice(-problem.sweeps.length));
    return layOut(own, phasesOf(own), source, result);
  });
  const gather = gatherCode(full, fusion, { cells: tile, fetch: false }, device);
  const alone: Cut = { group: 1, parts: 1, run: 1, blocksInner: true };
  const chunks = { each: Math.ceil(output.blocks / cut.run) * cut.parts, group: cut.group };
  const total = chunks.each * Math.ceil(problem.plan.examples / cut.group);
  const code: BandCode = { gather, bands, marked: total > mostSlots };
  const marks: OperandRef = { of: "temporary", index: 2, access: "write" };
  const read = (of: OperandRef["of"], index: number): OperandRef => ({ of, index, access: "read" });
  return {
    temporaries: [
      full.packing.panels * panelBytes(full.packing),
      Math.min(total, mostSlots) * slotBytes(code),
      ...(code.marked ? [mostSlots * markBytes] : []),
    ],
    constants: [
      packRecord(full.packing),
      ...[full, last].map((at) => gatherRecord(at, gather, alone, buffers.operands, fusion)),
      bandRecord(code, cut, output, streamsOf(problem, buffers, fusion, { source, output, bands }), Math.min(total, mostSlots)),
    ],
    steps: [
      packStep(full.packing, read("input", 0), { of: "temporary", index: 0, access: "write" }, read("constant", 0)),
      ...(code.marked ? [{ routine: freeSlots, operands: [marks], chunks: { each: 1, group: 0 } }] : []),
      {
        routine: bandRoutine(code, device.tier),
        chunks,
        operands: [
          read("input", 1),
          read("temporary", 0),
          { of: "output", index: 0, access: "write" },
          read("constant", 1),
          ...gather.fused.map((_, index) => read("operand", index)),
          read("constant", 2),
          read("constant", 3),
          { of: "temporary", index: 1, access: "update" },
          ...(code.marked ? [{ ...marks, access: "update" } as const] : []),
        ],
      },
    ],
  };
}

/** Bytes from band to band, in the source, in the output, and in the fused operands. */
function streamsOf(
  { result, sweeps }: GatherProblem,
  buffers: Buffers,
  fusion: Fusion,
  { source, output, bands }: { readonly source: Placement; readonly output: Placement; readonly bands: Bands },
): BandStream[] {
  const { extents, windows, rows } = bands;
  const stream = (example: number, strides: readonly number[], cells: readonly number[]): BandStream => {
    const [plane, line, segment] = [0, 0, ...strides].slice(-3).map((stride, axis) => 4 * stride * cells[axis] * [1, rows, windows][axis]);
    return { example: 4 * example, segment, line, plane };
  };
  return [
    stream(
      source.exampleStride,
      source.strides.map((stride, axis) => stride * sweeps[axis][0].stride),
      extents,
    ),
    stream(output.exampleStride, output.strides, [1, 1, 1]),
    ...fusion.operands.map((type, i) => {
      const at = fusedPlace(type, buffers.operands[i], result, output.block);
      return stream(at.exampleStride, at.strides, extents);
    }),
  ];
}
