import { createInterface } from "node:readline";
import { build, type Gauge } from "./gauges.ts";
import type { Reply, Request } from "./serve.ts";

/*
 * What one thread of this machine can do: fused multiply-adds in registers, 128 or 256 bits wide, and reading or writing memory that no cache holds.
 * Argument: fma128, fma256, read or write. Answers `run` like a driver; a call is `callWork` operations (two for each multiply-add) or bytes.
 */

async function main(gauge: Gauge): Promise<void> {
  const call = build(gauge);
  const reply = (value: Reply): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    if (request.do === "load") reply({ ready: `node ${process.version}` });
    else if (request.do === "outputs") reply({ refused: "no outputs" });
    else {
      let calls = 0;
      let ms = 0;
      const started = performance.now();
      while (ms < request.ms) {
        call();
        calls++;
        ms = performance.now() - started;
      }
      reply({ calls, ms });
    }
  }
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2] as Gauge);
