export * from "./functions.ts";
export { broadcastLike, neededOperands, pointwise, pointwiseOperator } from "./operators.ts";
export { operandMap, type PointwiseOptions, type PointwisePlan } from "./plan.ts";
