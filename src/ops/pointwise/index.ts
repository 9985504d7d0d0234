export { type FormulasOptions, type FormulasPlan, formulasOperator } from "./formulas.ts";
export * from "./functions.ts";
export { broadcastLike, neededOperands, pointwise, pointwiseOperator } from "./operators.ts";
export { operandMap, type PointwiseOptions, type PointwisePlan } from "./plan.ts";
export { type TableOperand, type TableOptions, type TablePlan, tableOperator } from "./table.ts";
