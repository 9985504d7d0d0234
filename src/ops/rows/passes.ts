import { type Expression, operand } from "../contract.ts";
import { printExpression } from "../expression/print.ts";
import { expand, schedule } from "../expression/schedule.ts";
import { operandsOf, rebuild } from "../expression/simplify.ts";
import { isOfRows, type RowsPlan } from "./plan.ts";

/** One walk along the rows: formulas of cells that are folded, or written where they are results. */
export interface Pass {
  /** Numbers of each row that are worked out before it, once: operands that `held` counts on from. */
  readonly held: readonly Expression[];
  /** Folds or, in the last pass, results of cells: their position and formula. */
  readonly made: readonly { readonly index: number; readonly formula: Expression }[];
  /** Formulas whose values are kept in scratch for later passes: they are in `made` too. */
  readonly kept: readonly Expression[];
}

/** Formulas over operands, folds, held numbers of rows and kept values of cells, numbered one behind the other. */
export interface Passes {
  readonly passes: readonly Pass[];
  /** Results of rows, after the passes. */
  readonly rows: readonly { readonly index: number; readonly formula: Expression }[];
  readonly firstFold: number;
  readonly firstHeld: number;
  readonly firstKept: number;
  readonly kept: number;
}

const slow = new Set(["exp", "log", "divide", "sqrt", "floor"]);
/** Dearer to work out again than to keep in the cache of a core. */
const isSlow = (part: Expression): boolean => schedule(expand(part)).some((step) => step.kind === "call" && slow.has(step.name));

/** Parts the formulas of a plan into as few walks as they can be: a fold is made in the first pass that has all it reads. */
export function passesOf({ operands, folds, results, cells, axis }: RowsPlan): Passes {
  const firstFold = operands.length;
  const firstHeld = firstFold + folds.length;
  const levels: number[] = [];
  for (const { formula } of folds)
    levels.push(operandsOf(formula).reduce((most, index) => Math.max(most, index < firstFold ? 0 : 1 + levels[index - firstFold]), 0));
  const count = folds.length === 0 ? 0 : 1 + Math.max(...levels);
  const whole = results.flatMap(({ of, formula }, index) => (of === "cells" ? [{ index, formula }] : []));
  const bare = Array.from({ length: count }, (_, level) =>
    folds.flatMap(({ formula }, index) => (levels[index] === level ? [{ index, formula }] : [])),
  );
  const lists = whole.length > 0 ? [...bare, whole] : bare;
  const isOfRow = (index: number): boolean => index >= firstFold || isOfRows(operands[index], cells, axis);
  const known = new Map<string, number>();
  const hoisted = lists.map((list) => {
    const held: Expression[] = [];
    const made = list.map(({ index, formula }) => ({ index, formula: hoist(formula, isOfRow, firstHeld, known, held) }));
    return { held, made };
  });
  const firstKept = firstHeld + known.size;
  const { passes, kept } = keep(hoisted, firstKept);
  const rows = results.flatMap(({ of, formula }, index) => (of === "rows" ? [{ index, formula }] : []));
  return { passes, rows, firstFold, firstHeld, firstKept, kept };
}

/** The formula with its parts that are the same for all cells of a row as operands. */
function hoist(
  formula: Expression,
  isOfRow: (index: number) => boolean,
  first: number,
  known: Map<string, number>,
  held: Expression[],
): Expression {
  const walk = (part: Expression): Expression => {
    if (part.kind !== "call") return part;
    const read = operandsOf(part);
    if (read.length === 0 || !read.every(isOfRow)) return { ...part, inputs: part.inputs.map(walk) };
    const text = printExpression(part);
    const before = known.get(text);
    if (before !== undefined) return operand(before);
    known.set(text, first + known.size);
    held.push(part);
    return operand(first + known.size - 1);
  };
  return walk(formula);
}

/** Slow parts that several passes have are kept by the first and read by the others. */
function keep(lists: readonly Pick<Pass, "held" | "made">[], first: number): { passes: Pass[]; kept: number } {
  const found = new Map<string, Set<number>>();
  lists.forEach(({ made }, pass) => {
    for (const { formula } of made)
      rebuild(formula, (part) => {
        if (part.kind === "call") {
          const text = printExpression(part);
          found.set(text, (found.get(text) ?? new Set()).add(pass));
        }
        return part;
      });
  });
  const slots = new Map<string, number>();
  const passes = lists.map(({ held, made }, pass): Pass => {
    const kept: Expression[] = [];
    const walk = (part: Expression): Expression => {
      if (part.kind !== "call") return part;
      const text = printExpression(part);
      const slot = slots.get(text);
      if (slot !== undefined) return kept.some((own) => printExpression(own) === text) ? part : operand(slot);
      const wanted = found.get(text);
      if (wanted !== undefined && Math.max(...wanted) > pass && isSlow(part)) {
        slots.set(text, first + slots.size);
        kept.push(part);
        return part;
      }
      return { ...part, inputs: part.inputs.map(walk) };
    };
    return { held, made: made.map(({ index, formula }) => ({ index, formula: walk(formula) })), kept };
  });
  return { passes, kept: slots.size };
}
