import { conv, dense, evaluate, maxPool, referenceTarget, relu, sequential, tensor, traceEvaluation } from "toeplitz";
import { summarise } from "toeplitz/node";
import { maxWindow } from "toeplitz/ops";

// figure 9.10: pools of three, two apart; the last one holds what is left, and must not be lost
const session = await referenceTarget.open();
const { z } = await evaluate(session, { v: tensor([6], [0.1, 1, 0.2, 0.1, 0, 0.1]) }, ({ v }) => ({
  z: maxWindow(v, { kernel: [3], stride: [2], ceil: true }).value,
}));
console.log(`6 cells -> ${z.data.length}: ${Array.from(z.data, (cell) => Number(cell.toFixed(1)))}`);

// what pooling with a stride saves the layer behind it
for (const [name, pooling] of Object.entries({ "no pooling": [], "maxPool(3, { stride: 2 })": [maxPool(3, { stride: 2, ceil: true })] })) {
  for (const head of [dense(10), conv(16, { kernel: 3 })]) {
    const net = sequential(conv(8, { kernel: 3, padding: "same" }), relu(), ...pooling, head);
    const { layers } = summarise(traceEvaluation(net, { batch: 1, inputs: { input: { shape: [1, 32, 32] } } }));
    const last = layers[layers.length - 1];
    console.log(
      `${name}, then ${last.kind.padEnd(5)}: ${String(last.parameters).padStart(6)} numbers, ${String(last.multiplyAdds).padStart(8)} multiply-adds`,
    );
  }
}
