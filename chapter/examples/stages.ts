import { convLayer, dense, named, sequential, traceEvaluation } from "toeplitz";
import { complexLayers } from "toeplitz/node";

// one layer of three stages; a net is a few of them
const net = sequential(
  named("first", convLayer({ channels: 8, kernel: 5, padding: "same" })),
  named("second", convLayer({ channels: 16, kernel: 5, padding: "same" })),
  named("classifier", dense(10)),
);
const traced = traceEvaluation(net, { batch: 1, inputs: { input: { shape: [1, 28, 28] } } });

console.log("complex terminology: one layer, several stages");
for (const [number, { stages }] of complexLayers(traced).entries())
  console.log(`  layer ${number + 1}: ${stages.map(({ stage, path, output }) => `${stage} stage ${path} ${output}`).join(", ")}`);
console.log("simple terminology: every stage is a layer");
for (const [number, { stage, kind, parameters }] of complexLayers(traced)
  .flatMap(({ stages }) => stages)
  .entries())
  console.log(`  layer ${number + 1}: ${kind} (${stage}), ${parameters} numbers`);
