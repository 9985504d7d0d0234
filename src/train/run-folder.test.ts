import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { firstProgress } from "./history.ts";
import { lockFolder } from "./lock.ts";
import { newestRun, RunFolder } from "./run-folder.ts";
import type { PlainSettings } from "./settings.ts";

const root = mkdtempSync(join(tmpdir(), "toeplitz-runs-"));
after(() => rmSync(root, { recursive: true }));

const checkpoint = {
  progress: firstProgress,
  settings: {} as PlainSettings,
  data: { name: "none", train: 1, classes: [] },
  device: "wasm plain",
  choices: {},
  state: new Map(),
};

test("one process holds a folder; the lock of one that has ended is taken over", async () => {
  const folder = join(root, "lock");
  mkdirSync(folder);
  const release = await lockFolder(folder);
  const mine = new RegExp(
    `run\\(.*\\): folder: expected one that no other run writes to; received process ${process.pid} is training in it\\.`,
  );
  await assert.rejects(lockFolder(folder), mine);
  await release();
  assert.deepEqual(readdirSync(folder), []);

  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await once(child, "spawn");
  const hasProc = existsSync("/proc/self/stat");
  const started = (pid: number): string | null =>
    hasProc ? readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")[19] : null;
  const holder = { pid: child.pid, started: started(child.pid as number), host: hostname() };
  const write = (value: unknown): void => writeFileSync(join(folder, ".lock"), JSON.stringify(value));
  write(holder);
  await assert.rejects(lockFolder(folder), /is training in it/);
  // the number of the process was given again
  if (hasProc) {
    write({ ...holder, started: "1" });
    await (await lockFolder(folder))();
  }
  write(holder);
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await lockFolder(folder))();
  // what another computer does cannot be seen from here
  write({ ...holder, host: "elsewhere" });
  await assert.rejects(lockFolder(folder), /process \d+ on elsewhere is training in it/);
  writeFileSync(join(folder, ".lock"), "{ cut");
  await (await lockFolder(folder))();
  assert.deepEqual(readdirSync(folder), []);
});

test("of ten that want a stale folder at once, one gets it, every time", async () => {
  for (let round = 0; round < 40; round++) {
    const folder = join(root, `race-${round}`);
    mkdirSync(folder);
    writeFileSync(join(folder, ".lock"), JSON.stringify({ pid: 2 ** 30, started: "1", host: hostname() }));
    const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => lockFolder(folder)));
    assert.equal(attempts.filter(({ status }) => status === "fulfilled").length, 1, `round ${round}`);
    assert.deepEqual(readdirSync(folder), [".lock"]);
  }
});

test("a new run keeps its folder once something was kept in it, and never takes one that is there", async () => {
  const path = join(root, "runs", "a");
  await (await RunFolder.create(path)).close();
  assert.equal(existsSync(path), false, "nothing was kept: nothing is left");
  const folder = await RunFolder.create(path);
  await folder.save(checkpoint, null);
  const busy = /folder: expected one that no other run writes to; received process/;
  await assert.rejects(RunFolder.create(path), busy);
  await assert.rejects(RunFolder.resume(path), busy);
  await folder.close();
  assert.deepEqual(readdirSync(path).sort(), ["last.safetensors", "metrics.csv"]);
  const kept =
    /folder: expected a name that is free; received a run that is kept there\. Go on with it by --resume, or choose another --name\./;
  await assert.rejects(RunFolder.create(path), kept);
  const again = await RunFolder.resume(path);
  assert.deepEqual((await again.load())?.checkpoint.progress, firstProgress);
  await again.close();
  assert.equal(await newestRun(join(root, "runs")), path);
});

test("names are numbered, also for runs that begin at the same time", async () => {
  const folders = await Promise.all(Array.from({ length: 4 }, () => RunFolder.createNext(join(root, "many"), "digits")));
  assert.deepEqual(folders.map(({ name }) => name).sort(), ["digits", "digits-2", "digits-3", "digits-4"]);
  for (const folder of folders) await folder.close();
});

test("what is no run is refused", async () => {
  await assert.rejects(RunFolder.resume(join(root, "nowhere")), /folder: expected a run with last\.safetensors; received nothing there\./);
  mkdirSync(join(root, "other"));
  writeFileSync(join(root, "other", "notes.txt"), "mine");
  await assert.rejects(RunFolder.resume(join(root, "other")), /received a folder of something else\./);
  await assert.rejects(RunFolder.create(join(root, "other")), /expected a name that is free; received a folder with other files\./);
  await assert.rejects(RunFolder.create(join(root, "other", "notes.txt")), /expected a name that is free; received a file\./);
  await assert.rejects(newestRun(join(root, "nowhere")), /run: expected at least one to go on with; received none\./);
  assert.equal(readFileSync(join(root, "other", "notes.txt"), "utf8"), "mine");
});
