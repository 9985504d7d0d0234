import { size } from "../../base/types.ts";
import { axisTerms } from "../../grid/axis.ts";
import { connectedPairs, type GridLinearPlan, parts, typesOf } from "./plan.ts";

/**
 * Visits every term of T(K, V, G) = sum K[pair, copy, tap] V[n, ci, input] G[n, co, output] as offsets into the three arrays.
 * Source: Goodfellow et al. 2016, eq. 9.7 to 9.10, generalised to 0 to 3 axes.
 */
export function forEachTerm(plan: GridLinearPlan, visit: (kernel: number, input: number, output: number) => void): void {
  const { axes } = plan;
  const types = typesOf(plan);
  const taps = size(axes.map((axis) => axis.kernel));
  const perPair = size(axes.map((axis) => axis.period)) * taps;
  const inputCells = size(axes.map((axis) => axis.input));
  const outputCells = size(axes.map((axis) => axis.output));
  let terms = [{ copy: 0, tap: 0, input: 0, output: 0 }];
  for (const axis of axes) {
    const own = axisTerms(axis).map((term) => ({ ...term, tap: plan.flip ? axis.kernel - 1 - term.tap : term.tap }));
    terms = terms.flatMap((outer) =>
      own.map((inner) => ({
        copy: outer.copy * axis.period + inner.copy,
        tap: outer.tap * axis.kernel + inner.tap,
        input: outer.input * axis.input + inner.input,
        output: outer.output * axis.output + inner.output,
      })),
    );
  }
  const pairs = connectedPairs(plan);
  const [examples, channelsIn] = types.input.shape;
  for (let example = 0; example < examples; example++) {
    pairs.forEach((pair, stored) => {
      const kernel = stored * perPair;
      const input = (example * channelsIn + pair.input) * inputCells;
      const output = (example * plan.channelsOut + pair.output) * outputCells;
      for (const term of terms) visit(kernel + term.copy * taps + term.tap, input + term.input, output + term.output);
    });
  }
}

/** The three functions of the chapter: c (9.7), g (9.11), h (9.12), as one loop with another target. */
export function referenceGridLinear(plan: GridLinearPlan, [first, second]: readonly Float64Array[]): Float64Array[] {
  const result = new Float64Array(size(typesOf(plan)[parts[plan.role].result].shape));
  const visit = {
    forward: (k: number, v: number, z: number) => {
      result[z] += first[k] * second[v];
    },
    kernel: (k: number, v: number, z: number) => {
      result[k] += first[z] * second[v];
    },
    input: (k: number, v: number, z: number) => {
      result[v] += first[k] * second[z];
    },
  }[plan.role];
  forEachTerm(plan, visit);
  return [result];
}
