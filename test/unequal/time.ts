import { Problems } from "../../src/base/errors.ts";
import { random } from "../../src/base/random.ts";
import { size, type Tensor } from "../../src/base/types.ts";
import { gridsOf } from "../../src/data/unequal.ts";
import { saveGraph } from "../../src/graph/save.ts";
import { defaultNet, models } from "../../src/nn/models/index.ts";
import { initialise, traceEvaluation } from "../../src/nn/step.ts";
import { target } from "../../src/node.ts";
import { gridsOfModel } from "../../src/train/example-runs.ts";
import { Model } from "../../src/train/model.ts";
import { gridName, leastExtents } from "../../src/train/unequal.ts";

/** Sixteen photographs of 16 different sizes: proportions between 2:3 and 3:2, the longer side `side`. */
export function sixteenSizes(side: number): number[][] {
  return Array.from({ length: 16 }, (_, index) => {
    const shorter = Math.round((side * (10 + (index >> 1))) / 18);
    return index % 2 === 0 ? [shorter, side] : [side, shorter];
  });
}

/** A model of random weights for pictures of these sizes. */
export async function randomModel(name: string, sizes: readonly (readonly number[])[], threads: number): Promise<Model> {
  const side = Math.max(...sizes.flat());
  const shape = [3, side, side];
  const net = name === "default" ? defaultNet(shape, 5, true) : models[name](shape, 5, true);
  const trace = (extents: readonly number[]) =>
    traceEvaluation(net, { batch: 1, inputs: { input: { shape: [3, ...extents], unequal: true } } });
  const whole = trace([side, side]);
  const session = await target.open({ threads: 1 });
  await session.compile(whole.graph);
  await initialise(session, [whole], 1);
  const tensors = new Map<string, Tensor>();
  for (const state of session.states()) tensors.set(state, await session.read(state));
  await session.close();
  const grids = gridsOf(Int32Array.from(sizes.flat()), [side, side]).slice(0, -1);
  return new Model(
    {
      graph: saveGraph(whole.graph),
      layers: whole.layers,
      statistics: whole.states.map((state) => state.name),
      classes: ["a", "b", "c", "d", "e"],
      shape,
      normalisation: { mean: [0, 0, 0], deviation: [1, 1, 1] },
      unequal: {
        least: leastExtents(whole, [side, side]),
        grids: Object.fromEntries(grids.map((grid) => [gridName(grid), saveGraph(trace(grid).graph)])),
      },
    },
    tensors,
    target,
    { threads },
  );
}

const [name = "default", side = "96"] = process.argv.slice(2);
if (import.meta.main) {
  const sizes = sixteenSizes(Number(side));
  const model = await randomModel(name, sizes, 1);
  const problems = new Problems("time", name);
  const draw = random(1);
  const photographs = sizes.map(
    (extents): Tensor => ({
      dtype: "f32",
      shape: [3, ...extents],
      data: Float32Array.from({ length: 3 * size(extents) }, () => draw.normal()),
    }),
  );
  const [, ...whole] = model.shape;
  const padded = new Float32Array(16 * size(model.shape)).map(() => draw.normal());
  const all = Int32Array.from({ length: 32 }, () => whole[0]);
  const together = (): Promise<unknown> => model.predict(photographs);
  const onWhole = (): Promise<unknown> => model.run({ input: padded, "input.extents": all }, 16);
  const times = { together: Number.POSITIVE_INFINITY, padded: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 40; round++) {
    for (const [kind, run] of [
      ["together", together],
      ["padded", onWhole],
    ] as const) {
      // the processor's time of this process: one thread's wall time, but for what else the machine does
      const from = process.cpuUsage();
      await run();
      const { user, system } = process.cpuUsage(from);
      times[kind] = Math.min(times[kind], (user + system) / 1000);
    }
  }
  const share = sizes.reduce((sum, extents) => sum + size(extents), 0) / (16 * size(whole));
  const ratio = times.together / times.padded / share;
  console.log(
    `${name}, 16 photographs up to ${side} x ${side}, 1 thread, grids ${gridsOfModel(model.description)
      .map(([, ...grid]) => gridName(grid))
      .join(" ")}`,
  );
  console.log(
    `padded batch ${times.padded.toFixed(2)} ms, unequal ${times.together.toFixed(2)} ms, valid cells ${(100 * share).toFixed(1)} %: ${ratio.toFixed(2)} x padded x share`,
  );
  await model.close();
  problems.check(ratio <= 1.5, "time over that of the padded batch and the share of valid cells", "<= 1.5", ratio.toFixed(2));
  problems.throwIfAny();
}
