import type { Operator } from "./contract.ts";
import { gridLinear } from "./grid-linear/index.ts";
import { matmulOperator } from "./matmul/index.ts";
import { moveOperator } from "./move/index.ts";
import { formulasOperator, pointwiseOperator, tableOperator } from "./pointwise/index.ts";
import { randomOperator } from "./random/index.ts";
import { momentsOperator, reduceOperator, sumsOperator } from "./reduce/index.ts";
import { regionsOperator, wholeOperator } from "./regions/index.ts";
import { rowsOperator } from "./rows/index.ts";
import { windowOperator } from "./window/index.ts";

/** Every operator: the only list. */
export const operators: readonly Operator[] = [
  gridLinear,
  windowOperator,
  regionsOperator,
  wholeOperator,
  pointwiseOperator,
  formulasOperator,
  tableOperator,
  reduceOperator,
  sumsOperator,
  momentsOperator,
  rowsOperator,
  moveOperator,
  matmulOperator,
  randomOperator,
] as readonly Operator[];

/** The operator whose name begins a problem line, or undefined. */
export const operatorOfLine = (line: string): Operator | undefined =>
  operators.find((operator) => operator.name === line.trim().split(" ")[0]);
