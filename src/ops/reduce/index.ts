export { fold, reduceOperator } from "../pointwise/operators.ts";
export type { ReduceOptions, ReducePlan } from "./fold.ts";
export { foldedCells, type MomentsOptions, type MomentsPlan, momentsOperator } from "./moments.ts";
