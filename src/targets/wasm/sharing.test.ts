import assert from "node:assert/strict";
import { test } from "node:test";
import { Sharing } from "./sharing.ts";

/** Share of shared runs, and time of all, when shared runs take `shared` ms and runs alone `alone`. */
function simulate(sharing: Sharing, runs: number, shared: number, alone: number): { share: number; ms: number } {
  let [count, ms] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const time = sharing.isOn ? shared : alone;
    if (sharing.isOn) count++;
    sharing.note(time);
    ms += time;
  }
  return { share: count / runs, ms: ms / runs };
}

test("undisturbed runs are always shared", () => {
  const sharing = new Sharing();
  assert.equal(simulate(sharing, 1000, 1.2, 2).share, 1);
});

test("while others have a core, a program runs alone, and shares again afterwards", () => {
  const sharing = new Sharing();
  simulate(sharing, 200, 1, 2);
  assert.ok(simulate(sharing, 1000, 4, 2).ms < 2.2, "shared runs that are slower go on");
  assert.ok(simulate(sharing, 1000, 1, 2).share > 0.9, "runs alone go on");
});

test("single slow runs change nothing, and sharing that is faster is found again after a disturbance", () => {
  const sharing = new Sharing();
  let count = 0;
  for (let run = 0; run < 2000; run++) {
    if (sharing.isOn) count++;
    // every seventh run meets something else
    sharing.note((sharing.isOn ? 1 : 1.9) * (run % 7 === 3 ? 4 : 1));
  }
  assert.equal(count, 2000);
  simulate(sharing, 300, 5, 2);
  assert.ok(simulate(sharing, 2000, 1, 2).share > 0.7);
});
