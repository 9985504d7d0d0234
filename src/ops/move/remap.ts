import { fail, type Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { size, type TensorType } from "../../base/types.ts";
import { type Border, bordered } from "../../grid/axis.ts";
import { type AxisExtent, type Extents, operand, type UnequalTools } from "../contract.ts";
import { plus, times } from "../expression/build.ts";
import { type Kind, type Moved, rest, sampleType, withRest } from "./kind.ts";

/**
 * One axis of a remapping: output cell c reads input position start + floor(c / repeat) * step; what lies beyond the border is
 * mapped by `border`, or is the fill value. Slices, flips, crops, pads of every kind and nearest upsampling are of this form.
 */
export interface AxisMap {
  readonly input: number;
  readonly output: number;
  readonly start: number;
  readonly step: number;
  readonly repeat: number;
  readonly border: Border;
}

/** Z[c] = V[map(c)], or fill. */
export interface Remap {
  readonly kind: "remap";
  readonly axes: readonly AxisMap[];
  readonly fill: number;
}

/** The adjoint: dV[v] = sum of G[c] over the cells c that map to v. */
export interface Unmap {
  readonly kind: "unmap";
  readonly axes: readonly AxisMap[];
}

export const wholeAxis = (extent: number): AxisMap => ({ input: extent, output: extent, start: 0, step: 1, repeat: 1, border: "zero" });

/** Input cell of an output cell, or -1 for the fill value. */
export const mappedCell = ({ input, start, step, repeat, border }: AxisMap, cell: number): number =>
  bordered(start + Math.floor(cell / repeat) * step, input, border);

function checkAxes(problems: Problems, axes: readonly AxisMap[], extents: readonly number[], side: "input" | "output"): void {
  const fits = axes.length === extents.length && axes.every((axis, i) => axis[side] === extents[i]);
  problems.check(fits, `${side} extents of the axis maps`, `[${extents.join(",")}]`, `[${axes.map((axis) => axis[side]).join(",")}]`);
  axes.forEach(({ input, output, start, step, repeat }, axis) => {
    problems.check(
      Number.isInteger(output) && output >= 1 && Number.isInteger(input) && input >= 1,
      `extents on axis ${axis}`,
      "whole numbers >= 1",
      `${input} to ${output}`,
    );
    problems.check(
      [start, step, repeat].every(Number.isInteger) && repeat >= 1,
      `map on axis ${axis}`,
      "whole numbers, repeat >= 1",
      `start ${start}, step ${step}, repeat ${repeat}`,
    );
  });
}

/** Calls with every output cell of one example and the input cell that it reads, or -1. */
export function eachMapped(axes: readonly AxisMap[], visit: (output: number, input: number) => void): void {
  const tables = axes.map((axis) => Array.from({ length: axis.output }, (_, cell) => mappedCell(axis, cell)));
  const position = new Array<number>(axes.length).fill(0);
  const count = size(axes.map((axis) => axis.output));
  for (let output = 0; output < count; output++) {
    let input = 0;
    axes.forEach((axis, i) => {
      const cell = tables[i][position[i]];
      input = cell < 0 || input < 0 ? -1 : input * axis.input + cell;
    });
    visit(output, input);
    for (let i = axes.length - 1; i >= 0 && ++position[i] === axes[i].output; i--) position[i] = 0;
  }
}

const printAxes = (axes: readonly AxisMap[]): string =>
  axes.length === 0
    ? "-"
    : axes.map(({ input, output, start, step, repeat, border }) => `${input}>${output}@${start}*${step}/${repeat}:${border}`).join(" ");

function parseAxes(text: string): AxisMap[] {
  if (text === "-") return [];
  return text.split(" ").map((word) => {
    const match = /^(\d+)>(\d+)@(-?\d+)\*(-?\d+)\/(\d+):(zero|wrap|reflect|replicate)$/.exec(word);
    if (match === null) fail("move", "line", "axis map", "`input>output@start*step/repeat:border`, such as 8>6@1*1/1:zero", word);
    const [input, output, start, step, repeat] = match.slice(1, 6).map(Number);
    return { input, output, start, step, repeat, border: match[6] as Border };
  });
}

/** Pads, crops (as many cells off every example) and upsampling; a slice along such an axis is a crop. */
function unequalRemap(
  { axes, fill }: Remap,
  [extents]: readonly (Extents | null)[],
  _: readonly TensorType[],
  tools: UnequalTools,
): Moved | string {
  const moved: (AxisExtent | null)[] = [];
  for (const [i, { input, output, start, step, repeat, border }] of axes.entries()) {
    const own = extents?.[i] ?? null;
    const whole = input === output && start === 0 && step === 1 && repeat === 1;
    if (own === null || whole) {
      moved.push(own);
      continue;
    }
    const repeats = repeat > 1 && start === 0 && output === input * repeat;
    if (step !== 1 || (repeat > 1 && !repeats))
      return `Axis ${i} has extents of its examples: it can be padded, cropped and upsampled by whole factors.`;
    if (border !== "zero" && (start < 0 || start + output > input))
      return `Axis ${i} continues by ${border} at the batch's border: pad with a number.`;
    moved.push(tools.extent(own, repeats ? times(operand(0), repeat) : plus(operand(0), output - input)));
  }
  return { extents: moved, fill };
}

export const remapKind: Kind<Remap> = {
  kind: "remap",
  inputs: 1,
  output: (problems, { axes, fill }, [input]) => {
    checkAxes(problems, axes, rest(input), "input");
    problems.check(Number.isFinite(fill), "fill", "a finite number", fill);
    return withRest(
      input,
      axes.map((axis) => axis.output),
    );
  },
  print: ({ axes, fill }) => `fill ${fill} ${printAxes(axes)}`,
  parse: (text) => {
    const match = /^fill (\S+) (.+)$/.exec(text);
    if (match === null) fail("move", "line", "remap", "`fill 0 8>6@1*1/1:zero`", text);
    return { kind: "remap", axes: parseAxes(match[2]), fill: Number(match[1]) };
  },
  reference: ({ axes, fill }, [cells], [input], output) => {
    const result = new Float64Array(size(output.shape));
    const [from, to] = [size(rest(input)), size(rest(output))];
    for (let example = 0; example < result.length / to; example++) {
      eachMapped(axes, (cell, source) => {
        result[example * to + cell] = source < 0 ? fill : cells[example * from + source];
      });
    }
    return result;
  },
  unequal: unequalRemap,
  gradient: ({ axes }, _, gradient, apply) => [apply({ kind: "unmap", axes } as Unmap, [gradient])],
  sample: (random) => {
    const input = sampleType(random, random.integer(1, 4));
    return {
      move: { kind: "remap", axes: rest(input).map((extent) => sampleAxis(random, extent)), fill: random.pick([0, 0, 1.5]) },
      inputs: [input],
    };
  },
};

export const unmapKind: Kind<Unmap> = {
  kind: "unmap",
  inputs: 1,
  output: (problems, { axes }, [gradient]) => {
    checkAxes(problems, axes, rest(gradient), "output");
    return withRest(
      gradient,
      axes.map((axis) => axis.input),
    );
  },
  print: ({ axes }) => printAxes(axes),
  parse: (text) => ({ kind: "unmap", axes: parseAxes(text) }),
  reference: ({ axes }, [cells], [gradient], output) => {
    const result = new Float64Array(size(output.shape));
    const [from, to] = [size(rest(gradient)), size(rest(output))];
    for (let example = 0; example < result.length / to; example++) {
      eachMapped(axes, (cell, source) => {
        if (source >= 0) result[example * to + source] += cells[example * from + cell];
      });
    }
    return result;
  },
  gradient: ({ axes }, _, gradient, apply) => [apply({ kind: "remap", axes, fill: 0 } as Remap, [gradient])],
  sample: (random) => {
    const { move, inputs } = remapKind.sample(random);
    const input: TensorType = inputs[0];
    return {
      move: { kind: "unmap", axes: move.axes },
      inputs: [
        withRest(
          input,
          move.axes.map((axis) => axis.output),
        ),
      ],
    };
  },
};

/** A slice, a flip, an enlarging with its border, a repetition, or nothing. */
function sampleAxis(random: Random, extent: number): AxisMap {
  const whole = wholeAxis(extent);
  switch (random.integer(0, 4)) {
    case 0: {
      const step = random.integer(1, 3);
      const start = random.integer(0, extent - 1);
      return { ...whole, start, step, output: random.integer(1, Math.ceil((extent - start) / step)) };
    }
    case 1:
      return { ...whole, start: extent - 1, step: -1 };
    case 2: {
      const low = random.integer(0, 3);
      return {
        ...whole,
        start: 0 - low,
        output: extent + low + random.integer(0, 3),
        border: random.pick<Border>(["zero", "wrap", "reflect", "replicate"]),
      };
    }
    case 3: {
      const repeat = random.integer(2, 3);
      return { ...whole, repeat, output: extent * repeat };
    }
    default:
      return whole;
  }
}
