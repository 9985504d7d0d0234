import { ModuleBuilder } from "../../emit/wasm/module.ts";
import { multiplyAdd } from "../../emit/wasm/vectors.ts";
import type { Device } from "../../ops/contract.ts";
import type { Host } from "./host.ts";

const tiers: readonly Device[] = [
  { tier: "wide", fma: true, wide: true },
  { tier: "relaxed", fma: true, wide: false },
  { tier: "plain", fma: false, wide: false },
];

/** The best tier, at most `highest`, that the engine has and that passes its self-test. */
export function detectDevice(host: Host, highest: Device["tier"] = "wide"): Device {
  const wanted = tiers.slice(tiers.findIndex(({ tier }) => tier === highest));
  if (highest !== "plain") host.enableRelaxed();
  for (const device of wanted) {
    if (device.wide && !host.enableWide()) continue;
    if (selfTest(device)) return device;
  }
  return tiers[2];
}

/** Runs a small multiply-add routine in pairs and compares it bit for bit with the same sum done by the host. */
function selfTest(device: Device): boolean {
  try {
    const builder = new ModuleBuilder({ minimum: 1, maximum: 1, shared: false });
    // the tier in the offsets makes the bytes differ: an engine may otherwise hand back code that it made before the flag
    const base = { wide: 1024, relaxed: 2048, plain: 4096 }[device.tier];
    const index = builder.function(["i32"], [], (f) => {
      const [at] = f.parameters;
      const accumulators = f.locals("v128", 4);
      accumulators.forEach((acc, i) =>
        f
          .get(at)
          .memory("v128.load", base + 16 * i)
          .set(acc),
      );
      for (let step = 0; step < 8; step++) {
        const splat = f.local("v128");
        f.get(at)
          .memory("v128.load32_splat", base + 256 + 4 * step)
          .set(splat);
        accumulators.forEach((acc, i) =>
          multiplyAdd(
            f,
            device.fma,
            acc,
            () => f.get(splat),
            () => f.get(at).memory("v128.load", base + 64 * (step % 4) + 16 * i),
          ),
        );
      }
      accumulators.forEach((acc, i) =>
        f
          .get(at)
          .get(acc)
          .memory("v128.store", base + 512 + 16 * i),
      );
    });
    builder.export("test", index);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(builder.encode()), { env: { memory } });
    const cells = new Float32Array(memory.buffer, base, 256);
    for (let i = 0; i < 128; i++) cells[i] = ((i * 37) % 19) - 9;
    (exports.test as (at: number) => void)(0);
    // small integers: every order of rounding gives the same sum
    return Array.from({ length: 16 }, (_, lane) => {
      let sum = cells[lane];
      for (let step = 0; step < 8; step++) sum += cells[64 + step] * cells[16 * (step % 4) + lane];
      return sum === cells[128 + lane];
    }).every(Boolean);
  } catch {
    return false;
  }
}
