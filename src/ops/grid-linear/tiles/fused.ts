import { invariant } from "../../../base/errors.ts";
import type { TensorType } from "../../../base/types.ts";
import type { Expression, Fusion, Layout } from "../../contract.ts";
import { printExpression } from "../../expression/print.ts";
import { blockedLayout, place, plainLayout } from "../../layout.ts";

/** How a blocked routine reads one fused operand. */
export interface FusedOperand {
  /** One value for all lanes, instead of one for each. */
  readonly splat: boolean;
  /** Has a pointer of its own that moves from cell to cell; otherwise it depends on the channel block at most. */
  readonly moves: boolean;
}

/** What the code of an epilogue depends on, for routine keys. */
export function printFused(epilogue: Expression | null, operands: readonly FusedOperand[]): string {
  if (epilogue === null) return "-";
  return [printExpression(epilogue), ...operands.map(({ splat, moves }) => `${splat ? "splat" : "vector"}${moves ? " moves" : ""}`)].join(
    ", ",
  );
}

/** The type with exactly the axes that right-aligned broadcasting gives it: all of them when batched, all but the examples otherwise. */
function aligned(type: TensorType, rank: number): TensorType | null {
  const wanted = type.batched ? rank : rank - 1;
  const extra = type.shape.length - wanted;
  if (type.shape.slice(0, Math.max(0, extra)).some((extent) => extent !== 1)) return null;
  const shape = extra >= 0 ? type.shape.slice(extra) : [...new Array<number>(-extra).fill(1), ...type.shape];
  return { ...type, shape };
}

/** How an operand is read beside a blocked result; null when its map is none that a routine knows (tiled along an axis, odd rank). */
export function fusedOperand(type: TensorType, result: TensorType): FusedOperand | null {
  const same = aligned(type, result.shape.length);
  if (same === null || type.dtype !== "f32" || (type.batched && !result.batched)) return null;
  const [channels, ...extents] = same.shape.slice(type.batched ? 1 : 0);
  const [wantedChannels, ...wanted] = result.shape.slice(1);
  if (!extents.every((extent, axis) => extent === 1 || extent === wanted[axis])) return null;
  if (channels !== 1 && channels !== wantedChannels) return null;
  const moves = type.batched || extents.some((extent) => extent > 1);
  if (channels > 1 && moves && same.shape.length !== type.shape.length) return null;
  return { splat: channels === 1 && !(type.batched && wantedChannels === 1), moves };
}

/** Layouts that suit the operands, best first: what varies by channel alone may stay plain, where parameters lie. */
export function fusedLayouts(fusion: Fusion | null, result: TensorType, block: number): Layout[][] {
  const operands = (fusion?.operands ?? []).map((type) => fusedOperand(type, result));
  if (operands.some((operand) => operand === null)) return [];
  const choice = (channel: Layout): Layout[] =>
    operands.map((operand, i) => {
      if (operand === null || operand.splat) return plainLayout;
      if (operand.moves) return blockedLayout(block);
      // behind leading axes of extent 1 the channels are no channel axis, so they cannot lie in blocks
      return fusion?.operands[i].shape.length === result.shape.length - 1 ? channel : plainLayout;
    });
  const [plain, blocked] = [choice(plainLayout), choice(blockedLayout(block))];
  return blocked.some((layout, i) => layout.block !== plain[i].block) ? [plain, blocked] : [plain];
}

/** Words from the buffer's start and words from example to example, block to block and cell to cell of an operand. */
export interface FusedPlace {
  readonly origin: number;
  readonly exampleStride: number;
  readonly blockStride: number;
  readonly strides: readonly number[];
}

/** Where a fused operand lies, as seen from the cells of the result; axes of extent 1 do not move. */
export function fusedPlace(type: TensorType, layout: Layout, result: TensorType, block: number): FusedPlace {
  const same = aligned(type, result.shape.length);
  const operand = fusedOperand(type, result);
  invariant(same !== null && operand !== null, () => `operand [${type.shape.join(",")}] of [${result.shape.join(",")}]`);
  const at = place(same, same.shape.length === type.shape.length ? layout : { ...layout, halo: [] });
  const blockStride = operand.splat ? 0 : layout.block === 1 ? block * at.blockStride : at.blockStride;
  const strides = at.strides.map((stride, axis) => (at.extents[axis] === 1 ? 0 : stride));
  return { origin: at.origin, exampleStride: type.batched ? at.exampleStride : 0, blockStride, strides };
}
