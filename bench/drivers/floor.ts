import { serve } from "./serve.ts";

/** What every contender in Node pays: the process, and reading the weights; for the table of start times. */
await serve(
  () => `node ${process.version}`,
  async (source) => {
    let sum = 0;
    for (const parameter of source.parameters) for (const cell of source.numbersOf(parameter)) sum += cell;
    return { call: () => Float32Array.of(sum) };
  },
);
