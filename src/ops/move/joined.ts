import type { Value } from "../contract.ts";
import { concatRest, type MovePlan, moveOperator } from "./operator.ts";
import type { AxisMap } from "./remap.ts";

/** A value put into zeros by an unmap. */
interface Put {
  readonly plan: MovePlan;
  readonly value: Value;
}

const isWhole = ({ input, output, start, step, repeat }: AxisMap): boolean => input === output && start === 0 && step === 1 && repeat === 1;
const isPiece = ({ input, output, start, step, repeat }: AxisMap): boolean =>
  start >= 0 && step === 1 && repeat === 1 && start + output <= input;

/** The sum of two values that were put into zeros side by side along one axis, as one value put there, or as both joined; null when they were not. */
export function sideBySide(a: Put, b: Put): Value | null {
  const [first, second] = [a.plan.move, b.plan.move];
  if (first.kind !== "unmap" || second.kind !== "unmap" || first.axes.length !== second.axes.length) return null;
  const parted = first.axes.flatMap((map, axis) => (isWhole(map) && isWhole(second.axes[axis]) ? [] : [axis]));
  if (parted.length !== 1) return null;
  const [axis] = parted;
  const [one, other] = [first.axes[axis], second.axes[axis]];
  if (!isPiece(one) || !isPiece(other) || one.input !== other.input) return null;
  if (other.start + other.output === one.start) return sideBySide(b, a);
  if (one.start + one.output !== other.start) return null;
  const joined = concatRest([a.value, b.value], axis);
  const map = { ...one, output: one.output + other.output };
  if (isWhole(map)) return joined;
  return joined.graph.apply(moveOperator, { kind: "unmap", axes: first.axes.map((own, i) => (i === axis ? map : own)) }, [joined])[0];
}
