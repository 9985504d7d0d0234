/** Tries the laws on one problem line, in all layouts and with all fusions: `node test/laws/again.ts "<line>" [seed]`. */
import { operatorOfLine } from "../../src/ops/index.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import { Case } from "./case.ts";
import { devices, Judge } from "./judge.ts";

const algorithms = await everyAlgorithm();

const [line = "", seed = "1"] = process.argv.slice(2);
const operator = operatorOfLine(line);
if (operator === undefined) {
  console.error(`no operator of the line \`${line}\``);
  process.exitCode = 2;
} else {
  const own = new Case(operator, operator.parse(line), Number(seed), "sampled");
  for (const algorithm of algorithms.filter((candidate) => candidate.operator === operator.name)) {
    for (const device of devices) {
      const { broken, accepted, fused } = new Judge(algorithm, own, device).run(true);
      if (accepted + fused + broken.length === 0) continue;
      console.log(`${algorithm.id} on ${device.tier}: ${accepted} layouts, ${fused} fusions, ${broken.length} laws broken`);
      for (const law of broken.slice(0, 10)) console.log(`  ${law}`);
      if (broken.length > 0) process.exitCode = 1;
    }
  }
}
