import { size } from "../../base/types.ts";
import { compile } from "../expression/evaluate.ts";
import { operandMap } from "../pointwise/plan.ts";
import { type RowsPlan, rowType } from "./plan.ts";

/** Row by row: the folds in their order, then every result. */
export function referenceRows(plan: RowsPlan, inputs: readonly Float64Array[]): Float64Array[] {
  const { operands, folds, results, cells, axis } = plan;
  const rank = cells.shape.length;
  const rows = rowType(plan);
  const maps = operands.map((type) => operandMap(type, rank));
  const [whole, own] = [operandMap(cells, rank), operandMap(rows, rank)];
  const made = results.map(({ of }) => new Float64Array(size(of === "cells" ? cells.shape : rows.shape)));
  const formulas = folds.map(({ formula }) => compile(formula));
  const outcomes = results.map(({ formula }) => compile(formula));
  const given = new Float64Array(operands.length + folds.length);
  const length = cells.shape[axis];
  const read = (position: readonly number[]): void => {
    maps.forEach(({ extents, steps }, i) => {
      given[i] = inputs[i][position.reduce((from, at, j) => from + (at % extents[j]) * steps[j], 0)];
    });
  };
  const cellOf = ({ steps }: { steps: number[] }, position: readonly number[]): number =>
    position.reduce((from, at, j) => from + at * steps[j], 0);
  const position = new Array<number>(rank).fill(0);
  for (let row = 0; row < size(rows.shape); row++) {
    folds.forEach(({ operation }, i) => {
      let value = operation === "sum" ? 0 : Number.NEGATIVE_INFINITY;
      for (let at = 0; at < length; at++) {
        read(position.with(axis, at));
        const term = formulas[i](given);
        value = operation === "sum" ? value + term : Math.max(value, term);
      }
      given[operands.length + i] = value;
    });
    for (let at = 0; at < length; at++) {
      const here = position.with(axis, at);
      read(here);
      results.forEach(({ of }, i) => {
        made[i][of === "cells" ? cellOf(whole, here) : cellOf(own, position)] = outcomes[i](given);
      });
    }
    for (let j = rank - 1; j >= 0 && ++position[j] === rows.shape[j]; j--) position[j] = 0;
  }
  return made;
}
