import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { streamWord, word } from "./code.ts";

/** A pointer that goes from tile to tile. */
export interface Stream {
  readonly at: Local;
  readonly across: Local;
  readonly down: Local;
  readonly example: Local;
}

/** Where the tiles of a chunk stand, in every stream. */
export interface Walk {
  /** Tile within its row, row of tiles within its example. */
  readonly column: Local;
  readonly line: Local;
  readonly across: Local;
  readonly downs: Local;
  readonly streams: readonly Stream[];
}

export interface WalkStart {
  readonly record: Local;
  /** First example of the group, and first tile counted from it. */
  readonly first: Local;
  readonly from: Local;
  /** Number of each stream in the record, its slice, and what pushes the address that it starts at. */
  readonly streams: readonly { readonly stream: number; readonly slice: Local; readonly base: () => void }[];
}

/** Sets pointers to the first tile; the steps down and to the next example become jumps from where the step across ends. */
export function startWalk(f: FunctionBuilder, { record, first, from, streams }: WalkStart): Walk {
  const [column, line, across, downs, example] = f.locals("i32", 5);
  word(f, record, "across").set(across);
  word(f, record, "down").set(downs);
  f.get(from).get(across).op("i32.rem_u").set(column);
  f.get(from).get(across).op("i32.div_u").tee(example).get(downs).op("i32.rem_u").set(line);
  f.get(example).get(downs).op("i32.div_u").get(first).op("i32.add").set(example);
  const placed = streams.map(({ stream, slice, base }): Stream => {
    const [at, ...steps] = f.locals("i32", 4);
    base();
    streamWord(f, record, stream, "origin").op("i32.add");
    streamWord(f, record, stream, "slice").get(slice).op("i32.mul", "i32.add");
    (["across", "down", "example"] as const).forEach((name, axis) => {
      streamWord(f, record, stream, name).tee(steps[axis]).get([column, line, example][axis]).op("i32.mul", "i32.add");
    });
    f.set(at);
    f.get(steps[2]).get(steps[1]).get(downs).op("i32.mul", "i32.sub").set(steps[2]);
    f.get(steps[1]).get(steps[0]).get(across).op("i32.mul", "i32.sub").set(steps[1]);
    return { at, across: steps[0], down: steps[1], example: steps[2] };
  });
  return { column, line, across, downs, streams: placed };
}

export function stepWalk(f: FunctionBuilder, { column, line, across, downs, streams }: Walk): void {
  const move = (step: "across" | "down" | "example"): void => {
    for (const stream of streams) f.get(stream.at).get(stream[step]).op("i32.add").set(stream.at);
  };
  const carry = (counter: Local, extent: Local, then: () => void): void => {
    f.get(counter).i32(1).op("i32.add").tee(counter).get(extent).op("i32.eq");
    f.if(() => {
      f.i32(0).set(counter);
      then();
    });
  };
  move("across");
  carry(column, across, () => {
    move("down");
    carry(line, downs, () => move("example"));
  });
}
