import { createHash, randomBytes } from "node:crypto";
import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fail } from "../base/errors.ts";

/** Who holds a folder. */
interface Holder {
  readonly pid: number;
  /** Start of the process in clock ticks, where the system tells: numbers of ended processes are given again. */
  readonly started: string | null;
  readonly host: string;
}

const lockName = ".lock";

/** Field 22 of Linux' /proc/PID/stat; null elsewhere, or when the process has ended. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function holds({ pid, started, host }: Holder): Promise<boolean> {
  if (host !== hostname()) return true;
  if (!isRunning(pid)) return false;
  return started === null || (await startOf(pid)) === started;
}

async function readHolder(path: string): Promise<{ text: string; holder: Holder | null } | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return null;
  try {
    return { text, holder: JSON.parse(text) as Holder };
  } catch {
    return { text, holder: null };
  }
}

/** Who trains in a folder right now, as a part of a sentence; null when nobody does. */
export async function findHolder(folder: string): Promise<string | null> {
  const found = await readHolder(join(folder, lockName));
  if (found?.holder == null || !(await holds(found.holder))) return null;
  const { pid, host } = found.holder;
  return host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
}

/**
 * Takes a folder for this process; gives back what releases it. The lock of a process that has ended is taken over.
 * Throws: ToeplitzError when another process that still runs holds it.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, lockName);
  const own = join(folder, `${lockName}-${process.pid}-${randomBytes(4).toString("hex")}`);
  const holder: Holder = { pid: process.pid, started: await startOf(process.pid), host: hostname() };
  const text = JSON.stringify(holder);
  await writeFile(own, text, { flag: "wx" });
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      // a link is made whole or not at all, and never over another: of two processes one gets the folder
      if (await link(own, path).then(() => true, refuseUnlessTaken)) return () => release(path, text);
      const running = await findHolder(folder);
      if (running !== null) refuse(folder, running);
      await removeStale(path, own);
    }
    return refuse(folder, "another process that began at the same time");
  } finally {
    await unlink(own).catch(() => undefined);
  }
}

function refuse(folder: string, holder: string): never {
  fail(
    "run",
    folder,
    "folder",
    "one that no other run writes to",
    `${holder} is training in it`,
    "Wait for it to end, or choose another --name.",
  );
}

function refuseUnlessTaken(error: NodeJS.ErrnoException): false {
  if (error.code !== "EEXIST") throw error;
  return false;
}

/**
 * Removes the lock of an ended process. Who may remove a lock is settled by a second link, named after the lock's content: without it,
 * a slow process could remove the lock that a quick one has just set in the place of the stale one.
 */
async function removeStale(path: string, own: string): Promise<void> {
  const found = await readHolder(path);
  if (found === null || (found.holder !== null && (await holds(found.holder)))) return;
  const right = `${path}-takeover-${createHash("sha256").update(found.text).digest("hex").slice(0, 16)}`;
  if (!(await link(own, right).then(() => true, refuseUnlessTaken))) {
    const other = await readHolder(right);
    // the one that took this lock away has ended in the midst of it
    if (other !== null && (other.holder === null || !(await holds(other.holder)))) await unlink(right).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return;
  }
  try {
    if ((await readHolder(path))?.text === found.text) await unlink(path);
  } finally {
    await unlink(right).catch(() => undefined);
  }
}

async function release(path: string, text: string): Promise<void> {
  if ((await readHolder(path))?.text === text) await unlink(path).catch(() => undefined);
}
