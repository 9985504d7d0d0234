import { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { printType, sameShape, size, type TensorType } from "../../base/types.ts";
import type { NodeValues, Operator, Value } from "../contract.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";
import { fold } from "../pointwise/operators.ts";

export interface MatmulOptions {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * C[l, i, j] = sum over r of A[l, i, r] B[l, r, j]. `examples` says which of these counts the run's examples, if any:
 * the leading matrices, the rows of A, or the inner index of the sum.
 */
export interface MatmulPlan extends MatmulOptions {
  readonly a: TensorType;
  readonly b: TensorType;
  readonly output: TensorType;
  /** Number of matrices; an operand without leading axes is the same for all of them. */
  readonly leading: number;
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  readonly examples: "leading" | "rows" | "inner" | "none";
}

/**
 * Matrix product C = A B of every pair of matrices, either of them transposed first.
 * Shapes: A [...leading, rows, inner] ([..., inner, rows] with transposeA), B [...leading, inner, columns], C [...leading, rows, columns];
 * the leading axes of one of them may be absent. The example axis of a batched A can be a leading axis, the rows, or, with both
 * batched, the inner axis: then the sum runs over the run's examples and C is not batched.
 * Throws: when the inner extents or leading axes differ, or when the example axis would not come first in C.
 */
export const matmulOperator: Operator<MatmulPlan, MatmulOptions> = {
  name: "matmul",
  plan: planMatmul,
  inputs: (plan) => [plan.a, plan.b],
  outputs: (plan) => [plan.output],
  line: ({ a, b, transposeA, transposeB }) =>
    `matmul${transposeA ? " ta" : ""}${transposeB ? " tb" : ""}${printExamples([a, b])} | ${printTypes([a, b])}`,
  parse: (line) => {
    const { words, examples, rest } = splitLine(line, "matmul", 1, "matmul ta n8 | nx3,nx5");
    return planMatmul({ transposeA: words.includes("ta"), transposeB: words.includes("tb") }, parseTypes("matmul", rest[0], examples));
  },
  reference: referenceMatmul,
  gradient: gradientMatmul,
  cost: ({ leading, rows, inner, columns, a, b, output }) => ({
    multiplyAdds: leading * rows * inner * columns,
    bytes: 4 * (size(a.shape) + size(b.shape) + size(output.shape)),
    parameters: 0,
  }),
  sample: sampleMatmul,
};

function planMatmul({ transposeA, transposeB }: MatmulOptions, inputs: readonly TensorType[]): MatmulPlan {
  const problems = new Problems("matmul", inputs.map(printType).join(" "));
  const matrices = inputs.length === 2 && inputs.every((type) => type.shape.length >= 2 && type.dtype === "f32");
  problems.check(matrices, "inputs", "2 of f32 with at least 2 axes", inputs.map(printType).join(" "), "Reshape them.");
  problems.throwIfAny();
  const [a, b] = inputs;
  const [leadA, leadB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const [rows, innerA] = ordered(a.shape, transposeA);
  const [innerB, columns] = ordered(b.shape, transposeB);
  problems.check(innerA === innerB, "inner extents", `the same, ${innerA} of A`, innerB);
  const alike = leadA.length === 0 || leadB.length === 0 || (sameShape(leadA, leadB) && a.batched === b.batched);
  problems.check(
    alike,
    "leading axes",
    `those of A [${leadA.join(",")}]${a.batched ? " batched" : ""}, or none`,
    `[${leadB.join(",")}]${b.batched ? " batched" : ""}`,
  );
  const [atA, atB] = [exampleAxis(a, transposeA, "rows", "inner"), exampleAxis(b, transposeB, "inner", "columns")];
  const hint = "The example axis can be a leading axis, the rows of A, or the inner axis of both.";
  problems.check(atB !== "columns", "example axis of B", "a leading or the inner axis", "the columns", hint);
  problems.check(
    (atA === "inner") === (atB === "inner"),
    "example axis",
    "the inner axis of both or of none",
    `${atA} of A, ${atB} of B`,
    hint,
  );
  problems.check(
    atA !== "rows" || leadB.length === 0,
    "leading axes of B",
    "none, as the rows of A are the examples",
    `[${leadB.join(",")}]`,
    hint,
  );
  problems.check(
    atA !== "inner" || leadB.length === 0,
    "leading axes of B",
    "none, as the inner axis is the examples",
    `[${leadB.join(",")}]`,
    hint,
  );
  problems.throwIfAny();
  const lead = leadA.length === 0 ? leadB : leadA;
  const examples = atA === "none" ? (atB === "leading" ? "leading" : "none") : atA;
  const output: TensorType = { dtype: "f32", shape: [...lead, rows, columns], batched: examples === "leading" || examples === "rows" };
  return {
    transposeA,
    transposeB,
    a,
    b,
    output,
    leading: size(lead),
    rows,
    inner: innerA,
    columns,
    examples: examples === "columns" ? "none" : examples,
  };
}

/** The last two extents, in the order of the untransposed matrix. */
function ordered(shape: readonly number[], transposed: boolean): [number, number] {
  const [first, second] = shape.slice(-2);
  return transposed ? [second, first] : [first, second];
}

type Place = "leading" | "rows" | "inner" | "columns" | "none";

/** What the example axis of an operand counts. */
function exampleAxis(type: TensorType, transposed: boolean, first: Place, second: Place): Place {
  if (!type.batched) return "none";
  if (type.shape.length > 2) return "leading";
  return transposed ? second : first;
}

function referenceMatmul(plan: MatmulPlan, [a, b]: readonly Float64Array[]): Float64Array[] {
  const { leading, rows, inner, columns, transposeA, transposeB } = plan;
  const result = new Float64Array(size(plan.output.shape));
  const stepA = plan.a.shape.length > 2 ? rows * inner : 0;
  const stepB = plan.b.shape.length > 2 ? inner * columns : 0;
  for (let l = 0; l < leading; l++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let r = 0; r < inner; r++)
          sum += a[l * stepA + (transposeA ? r * rows + i : i * inner + r)] * b[l * stepB + (transposeB ? j * inner + r : r * columns + j)];
        result[(l * rows + i) * columns + j] = sum;
      }
    }
  }
  return [result];
}

/** dA = G B' (its transpose where A is transposed), dB = A' G; summed over the leading axes that an operand lacks. */
function gradientMatmul(
  plan: MatmulPlan,
  { inputs: [a, b] }: NodeValues,
  [gradient]: readonly (Value | undefined)[],
): (Value | undefined)[] {
  if (gradient === undefined) return [];
  const { transposeA, transposeB } = plan;
  const forA = transposeA
    ? matmul(b, gradient, { transposeA: transposeB, transposeB: true })
    : matmul(gradient, b, { transposeB: !transposeB });
  const forB = transposeB
    ? matmul(gradient, a, { transposeA: true, transposeB: transposeA })
    : matmul(a, gradient, { transposeA: !transposeA });
  return [fold(forA, a.type), fold(forB, b.type)];
}

/** Matrix product of the last two axes. */
export function matmul(a: Value, b: Value, options: Partial<MatmulOptions> = {}): Value {
  return a.graph.apply(matmulOperator, { transposeA: options.transposeA === true, transposeB: options.transposeB === true }, [a, b])[0];
}

function sampleMatmul(random: Random): MatmulPlan {
  const extent = (): number => random.pick([1, 2, 3, 4, 5, 7, 8, 13, 16, 17]);
  const [rows, inner, columns] = [extent(), extent(), extent()];
  const [transposeA, transposeB] = [random.uniform() < 0.5, random.uniform() < 0.5];
  const shapeA = transposeA ? [inner, rows] : [rows, inner];
  const shapeB = transposeB ? [columns, inner] : [inner, columns];
  const type = (shape: readonly number[], batched = false): TensorType => ({ dtype: "f32", shape, batched });
  switch (random.integer(0, 3)) {
    case 0:
      return planMatmul({ transposeA: false, transposeB }, [type([rows, inner], true), type(shapeB)]);
    case 1:
      return planMatmul({ transposeA: true, transposeB: false }, [type([inner, rows], true), type([inner, columns], true)]);
    default: {
      const lead = Array.from({ length: random.integer(0, 2) }, () => random.integer(1, 3));
      const batched = lead.length > 0 && random.uniform() < 0.5;
      const [ofA, ofB] = random.pick([
        [true, true],
        [true, false],
        [false, true],
      ]);
      return planMatmul({ transposeA, transposeB }, [
        type(ofA ? [...lead, ...shapeA] : shapeA, ofA && batched),
        type(ofB ? [...lead, ...shapeB] : shapeB, ofB && batched),
      ]);
    }
  }
}
