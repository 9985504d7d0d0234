import assert from "node:assert/strict";
import { test } from "node:test";
import { convolve } from "../ops.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { evaluate } from "./evaluate.ts";
import { tensor } from "./trace.ts";

test("computes once, and the results stay", async () => {
  const session = await referenceTarget.open();
  const inputs = { k: tensor([1, 1, 3], [1, 2, 3]), v: tensor([1, 1, 4], [1, 0, 0, 2]) };
  const { z } = await evaluate(session, inputs, ({ k, v }) => ({ z: convolve({ kernel: [3], padding: 1 }, k, v) }));
  const { again } = await evaluate(session, inputs, ({ k, v }) => ({ again: convolve({ kernel: [3], padding: 1, flip: true }, k, v) }));
  assert.deepEqual(
    [z.shape, [...z.data]],
    [
      [1, 1, 4],
      [2, 1, 6, 4],
    ],
  );
  assert.deepEqual([...again.data], [2, 3, 2, 4]);
  await session.close();
});
