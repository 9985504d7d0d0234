export { fold, reduceOperator } from "../pointwise/operators.ts";
export type { ReduceOptions, ReducePlan } from "./fold.ts";
