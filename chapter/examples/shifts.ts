import {
  conv,
  dense,
  doubleSize,
  initialise,
  maxPool,
  measureEquivariance,
  quarterTurn,
  random,
  referenceTarget,
  relu,
  sequential,
  shiftBy,
  traceEvaluation,
} from "toeplitz";
import { draw, pictures } from "../draw.ts";

const net = sequential(
  conv(4, { kernel: 3, padding: "same" }),
  relu(),
  maxPool(2),
  conv(4, { kernel: 3, padding: "same" }),
  relu(),
  dense(3),
);
const extent = 24;
const traced = traceEvaluation(net, { batch: 2, inputs: { input: { shape: [1, extent, extent] } } });
const session = await referenceTarget.open();
await session.compile(traced.graph);
await initialise(session, [traced], 5);
const draws = random(8);
const noise = Float32Array.from({ length: 2 * extent * extent }, () => draws.normal());

// the root mean square of f(T x) - T f(x), as a part of that of f(x)
const percent = (error: number | undefined): string => (error === undefined ? "-" : `${(100 * error).toFixed(0)} %`).padStart(7);
const transforms = {
  "shift by 4, 4": shiftBy(4, 4),
  "shift by 1, 0": shiftBy(1, 0),
  "turn by 90 degrees": quarterTurn,
  "twice as large": doubleSize,
};
const maps = [];
for (const [name, transform] of Object.entries(transforms)) {
  console.log(`${name.padEnd(19)} inside  border   f(T x) = f(x) in`);
  for (const { path, inside, border, unchanged, map, extents } of await measureEquivariance(traced, session, noise, transform)) {
    console.log(`  ${path.padEnd(15)}${percent(inside)}${percent(border)}  ${percent(unchanged)} of cells`);
    if (path === "3-conv" && name !== "shift by 1, 0")
      maps.push({ caption: name, rows: extents[0], columns: extents[1], cells: map.map(Math.sqrt) });
  }
}
draw("shifts", pictures("Where the second convolution is not equivariant: shifts at the border, turns and sizes everywhere", maps));
