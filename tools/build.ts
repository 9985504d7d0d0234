/** Writes the published form of src to dist: JavaScript and types. `node tools/build.ts` */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { bundlePackage } from "./bundle.ts";
import { root } from "./source-files.ts";

const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
const tsc = join(root, "node_modules/typescript/bin/tsc");
process.exitCode = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" }).status ?? 1;
if (process.exitCode === 0) await bundlePackage(dist);
