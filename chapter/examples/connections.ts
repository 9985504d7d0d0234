import { conv, drawMatrix, matrixOf, sequential, traceEvaluation } from "toeplitz";
import { summarise } from "toeplitz/node";
import { draw } from "../draw.ts";

// which input channels each output channel sees: the first m outputs see the first n inputs, and so on (figure 9.15); and others
const some = (outputs: number, inputs: number, sees: (output: number, input: number) => boolean): string[] =>
  Array.from({ length: outputs }, (_, output) => Array.from({ length: inputs }, (__, input) => (sees(output, input) ? "1" : "0")).join(""));
const lenet = [
  "111000",
  "011100",
  "001110",
  "000111",
  "100011",
  "110001",
  "111100",
  "011110",
  "001111",
  "100111",
  "110011",
  "111001",
  "110110",
  "011011",
  "101101",
  "111111",
];
const tables: Record<string, readonly string[]> = {
  "all with all": some(16, 6, () => true),
  "first 8 outputs see the first 3 inputs": some(16, 6, (output, input) => output < 8 === input < 3),
  "LeNet-5's table": lenet,
};
for (const [name, connections] of Object.entries(tables)) {
  const net = sequential(conv(16, { kernel: 5, connections }));
  const { parameters, layers } = summarise(traceEvaluation(net, { batch: 1, inputs: { input: { shape: [6, 14, 14] } } }));
  const pairs = connections.join("").split("1").length - 1;
  console.log(
    `${name.padEnd(39)}${String(pairs).padStart(3)} pairs, ${String(parameters).padStart(4)} numbers, ${layers[0].multiplyAdds} multiply-adds`,
  );
}
const table = some(4, 4, (output, input) => output < 2 === input < 2).join("/");
const matrix = matrixOf(`grid-linear forward n1 ci4 co4 g1 | i6 k3 s1 d1 p1:1 t1 zero table ${table}`);
draw("connections", drawMatrix(matrix, "4 channels of 6 cells: the first two outputs see the first two inputs"));
