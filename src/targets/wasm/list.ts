import type { Algorithm, Family } from "../../ops/contract.ts";
import { refusesReading } from "../../ops/grid-linear/fft/scope.ts";
import type { GridLinearPlan } from "../../ops/grid-linear/index.ts";
import { foldedAxis, type ReducePlan } from "../../ops/reduce/index.ts";
import { usual } from "./families/usual.ts";

/** The families of convolutions that not every net needs: refused by plans that ask for none of their algorithms. */
const convolutions = (name: string, refuses: (plan: GridLinearPlan) => string | null, load: () => Promise<unknown>): Family => ({
  name: `wasm-grid-linear-${name}`,
  operators: ["grid-linear"],
  refuses: (plan) => refuses(plan as GridLinearPlan),
  load: load as Family["load"],
});

const family = (operators: readonly string[], load: () => Promise<unknown>): Family => ({
  name: `wasm-${operators.join("-")}`,
  operators,
  load: load as Family["load"],
});

function refusesTriples({ role, axes, groups }: GridLinearPlan): string | null {
  if (role === "kernel" || groups > 1) return "computes roles forward and input of one group.";
  const has = axes.some(({ kernel, stride, dilation }) => kernel === 3 && stride === 1 && dilation === 1);
  return has ? null : "takes kernel 3, stride 1 and dilation 1.";
}

/**
 * The algorithms of the wasm target, in the order in which ties are broken. What nearly every net needs comes with the target; the other
 * families are read when a graph has work for them, since reading all takes longer than compiling a small net.
 */
export const families: readonly Family[] = [
  convolutions(
    "winograd",
    refusesTriples,
    async () => (await import("../../ops/grid-linear/winograd/wasm-winograd.ts")).winogradAlgorithms,
  ),
  convolutions("fft", refusesReading, async () => (await import("../../ops/grid-linear/fft/wasm-fft.ts")).fftAlgorithms),
  convolutions(
    "kernel",
    ({ role }) => (role === "kernel" ? null : "computes role kernel only."),
    async () => (await import("./families/gradients.ts")).gradients,
  ),
  { name: "usual", operators: [...new Set(usual.map(({ operator }) => operator))], load: () => Promise.resolve(usual) },
  convolutions(
    "groups",
    ({ groups, channelsIn, channelsOut }) =>
      groups > 1 || Math.max(channelsIn, channelsOut) === 1 ? null : "one group has no other beside it.",
    async () => (await import("./families/groups.ts")).groups,
  ),
  convolutions(
    "local",
    ({ axes }) => (axes.some(({ period }) => period > 1) ? null : "all cells share one kernel (period 1)."),
    async () => (await import("./families/local.ts")).local,
  ),
  {
    ...family(["rows"], async () => [(await import("../../ops/rows/wasm-rows.ts")).wasmRows]),
    comesFrom: (operator, plan) => operator === "reduce" && foldedAxis(plan as ReducePlan) !== null,
  },
  family(["regions", "whole"], async () => (await import("./families/regions.ts")).regions),
  family(["random"], async () => [(await import("../../ops/random/wasm-random.ts")).wasmRandom]),
  family(["matmul"], async () => [(await import("../../ops/matmul/wasm-matmul.ts")).plainMatmul]),
];

/** Every algorithm of the target. */
export const everyAlgorithm = async (): Promise<readonly Algorithm[]> => (await Promise.all(families.map(({ load }) => load()))).flat();
