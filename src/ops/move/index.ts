export { concat, crop, flatten, flip, gather, oneHot, pad, pixelShuffle, reshape, slice, transpose, upsample } from "./functions.ts";
export { sideBySide } from "./joined.ts";
export {
  type AxisMap,
  type Concat,
  concatRest,
  type Gather,
  gatherRest,
  type MoveOptions,
  type MovePlan,
  mappedCell,
  moveOperator,
  type Remap,
  type Reshape,
  remap,
  reshapeRest,
  type ScatterAdd,
  type Transpose,
  transposeRest,
  type Unmap,
  wholeAxis,
} from "./operator.ts";
