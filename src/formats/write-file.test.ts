import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { writeFileWhole } from "./write-file.ts";

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "toeplitz-file-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("writes a new file, then writes over it, and leaves nothing beside it", async (context) => {
  const path = join(folder(context), "model.safetensors");
  await writeFileWhole(path, Uint8Array.of(1, 2, 3));
  assert.deepEqual([...readFileSync(path)], [1, 2, 3]);
  await writeFileWhole(path, "text é");
  assert.equal(readFileSync(path, "utf8"), "text é");
  assert.deepEqual(readdirSync(join(path, "..")), ["model.safetensors"]);
});

test("writes the view it is given, not the buffer behind it", async (context) => {
  const path = join(folder(context), "a");
  await writeFileWhole(path, Uint8Array.of(1, 2, 3, 4).subarray(1, 3));
  assert.deepEqual([...readFileSync(path)], [2, 3]);
});

test("an old file keeps its mode, a link stays a link", { skip: process.platform === "win32" && "no modes here" }, async (context) => {
  const here = folder(context);
  const [path, link] = [join(here, "a"), join(here, "link")];
  writeFileSync(path, "old");
  chmodSync(path, 0o640);
  symlinkSync("a", link);
  await writeFileWhole(link, "new");
  assert.equal(readFileSync(path, "utf8"), "new");
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(here).sort(), ["a", "link"]);
});

test("a file whose old bytes are being read is read whole", async (context) => {
  const path = join(folder(context), "a");
  await writeFileWhole(path, "a".repeat(100_000));
  const writes = Array.from({ length: 8 }, (_, index) => writeFileWhole(path, String.fromCharCode(98 + index).repeat(100_000)));
  for (let read = 0; read < 50; read++) {
    const text = readFileSync(path, "utf8");
    assert.equal(text, text[0].repeat(100_000));
    await new Promise(setImmediate);
  }
  await Promise.all(writes);
  assert.deepEqual(readdirSync(join(path, "..")), ["a"]);
});

test("refused: a folder that is not there, a file as the folder, a folder as the file", async (context) => {
  const here = folder(context);
  mkdirSync(join(here, "folder"));
  writeFileSync(join(here, "file"), "");
  const message = (path: string): Promise<string> =>
    writeFileWhole(path, "x").then(
      () => "written",
      (error: Error) => error.message,
    );
  const missing = join(here, "none", "a");
  assert.equal(
    await message(missing),
    `file(${missing}): folder: expected ${join(here, "none")} to be a folder that exists; received none (ENOENT). Nothing was written.`,
  );
  const below = join(here, "file", "a");
  assert.equal(
    await message(below),
    `file(${below}): folder: expected ${join(here, "file")} to be a folder that exists; received a file (ENOTDIR). Nothing was written.`,
  );
  assert.equal(await message(join(here, "folder")), `file(${join(here, "folder")}): path: expected a file; received a folder.`);
  assert.deepEqual(readdirSync(here).sort(), ["file", "folder"]);
});

test("a full disk: one clear error, the previous file whole, nothing beside it", async (context) => {
  const here = folder(context);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", here], { stdio: "ignore" });
  } catch {
    return context.skip("a small file system cannot be mounted here");
  }
  try {
    const path = join(here, "last.safetensors");
    await writeFileWhole(path, new Uint8Array(100_000).fill(7));
    await assert.rejects(writeFileWhole(path, new Uint8Array(400_000)), {
      name: "ToeplitzError",
      message: `file(${path}): space: expected room for 400000 bytes; received a full disk (ENOSPC). The previous file is whole. Free some space, then go on.`,
    });
    assert.deepEqual(readFileSync(path), Buffer.alloc(100_000, 7));
    assert.deepEqual(readdirSync(here), ["last.safetensors"]);
    await assert.rejects(writeFileWhole(join(here, "new"), new Uint8Array(400_000)), { message: /Nothing was written\. Free some space/ });
    assert.deepEqual(readdirSync(here), ["last.safetensors"]);
  } finally {
    execFileSync("umount", [here]);
  }
});

/** Runs a write in a shell line `prefix node ...` and returns what its error says, or null where that cannot be done here. */
function elsewhere(prefix: string, path: string, bytes: number): string | null {
  const code = `import(${JSON.stringify(new URL("./write-file.ts", import.meta.url).href)})
    .then((m) => m.writeFileWhole(${JSON.stringify(path)}, new Uint8Array(${bytes})))
    .then(() => console.log("written"), (error) => console.log(error.message));`;
  try {
    const line = `${prefix} "$0" --input-type=module -e "$1"`;
    return execFileSync("sh", ["-c", line, process.execPath, code], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return null;
  }
}

test("a limit on the size of files: the previous file whole", { skip: process.platform === "win32" && "no such limit here" }, (context) => {
  const here = folder(context);
  const path = join(here, "last");
  writeFileSync(path, "previous");
  const said = elsewhere("ulimit -f 100;", path, 10_000_000);
  if (said === null) return context.skip("the limit cannot be set here");
  assert.equal(
    said,
    `file(${path}): space: expected room for 10000000 bytes; received a limit on the size of files (EFBIG). The previous file is whole. Free some space, then go on.`,
  );
  assert.equal(readFileSync(path, "utf8"), "previous");
  assert.deepEqual(readdirSync(here), ["last"]);
});

test("no permission: one clear error, the previous file whole", (context) => {
  if (process.platform === "win32") return context.skip("no modes here");
  const here = folder(context);
  const path = join(here, "last");
  writeFileSync(path, "previous");
  chmodSync(here, 0o555);
  // the superuser may write anywhere, so that another user has to try
  const asNobody = process.getuid?.() === 0 ? "exec setpriv --reuid 65534 --regid 65534 --clear-groups" : "exec";
  const said = elsewhere(asNobody, path, 10);
  if (said === null) return context.skip("another user cannot run node here");
  assert.equal(
    said,
    `file(${path}): permission: expected the right to write in ${here}; received none (EACCES). The previous file is whole.`,
  );
  assert.equal(readFileSync(path, "utf8"), "previous");
  assert.ok(existsSync(path));
});
