export { fold, reduceOperator } from "../pointwise/operators.ts";
export { countedCells } from "./count.ts";
export { foldedAxis, type ReduceOptions, type ReducePlan } from "./fold.ts";
export { logSoftmax, logSumExp, max, mean, min, moments, type ReduceAxes, softmax, sum, variance } from "./functions.ts";
export { foldedCells, type MomentsOptions, type MomentsPlan, momentsOperator } from "./moments.ts";
export { type SumsOptions, type SumsPlan, sumsOperator, sumsOptions } from "./sums.ts";
