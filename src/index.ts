export { type Problem, ToeplitzError } from "./base/errors.ts";
export { type Random, random } from "./base/random.ts";
export { type DType, type Tensor, type TensorType, tensorType } from "./base/types.ts";
export { gradients } from "./graph/differentiate.ts";
export { evaluate } from "./graph/evaluate.ts";
export type { Graph, GraphNode, GraphValue } from "./graph/graph.ts";
export { loadGraph, saveGraph } from "./graph/save.ts";
export type { Feeds, Outputs, Program, Session, SessionOptions, Target } from "./graph/session.ts";
export { GraphTracer, tensor } from "./graph/trace.ts";
export type { Border, Padding } from "./grid/axis.ts";
export { type EffectiveField, effectiveField } from "./inspect/effective-field.ts";
export {
  doubleSize,
  type EquivarianceRow,
  type GridTransform,
  measureEquivariance,
  quarterTurn,
  shiftBy,
} from "./inspect/equivariance.ts";
export {
  countMatrix,
  denseMatrix,
  type MatrixCounts,
  matrixOf,
  multiplySparse,
  printProblem,
  type SparseRows,
  sparseRows,
  type TermMatrix,
  transposeMatrix,
} from "./inspect/matrix.ts";
export { writeMatrixMarket, writeMatrixNpz } from "./inspect/matrix-files.ts";
export { drawMatrix } from "./inspect/matrix-picture.ts";
export { nameStructure, type Structure, structureOf } from "./inspect/matrix-structure.ts";
export { distanceFromConvolution, type PriorDistance } from "./inspect/prior.ts";
export { composeKernel, lowRankKernel, type SeparatedKernel, separateKernel } from "./inspect/separable.ts";
export { type ClusterFeatureOptions, clusterFeatures, clusterKernels } from "./nn/cluster-features.ts";
export { type ClusterOptions, clusterPatches, type PatchClusters } from "./nn/clusters.ts";
export {
  type ComplexCellOptions,
  complexCell,
  complexCells,
  type Gabor,
  gabor,
  gaborBank,
  gaborKernels,
  quadrature,
  simpleCell,
} from "./nn/features.ts";
export {
  constantInitialiser,
  fanUniform,
  givenCells,
  glorot,
  he,
  type Initialiser,
  lecun,
  ones,
  orthogonal,
  zeros,
} from "./nn/initialisers.ts";
export {
  absolute,
  celu,
  clip,
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  logSigmoid,
  mish,
  parametricRelu,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softplus,
  softsign,
  tanh,
} from "./nn/layers/activation.ts";
export { adaptivePool, pyramidPool, quadrantPool } from "./nn/layers/adaptive.ts";
export {
  crop,
  flatten,
  logSoftmax,
  pad,
  pixelShuffle,
  reshape,
  softmax,
  upsample,
} from "./nn/layers/arrange.ts";
export { type Container, concatenated, frozen, identity, named, parallel, residual, sequential } from "./nn/layers/compose.ts";
export { type ConvLayerOptions, convLayer } from "./nn/layers/conv-layer.ts";
export { dropout } from "./nn/layers/dropout.ts";
export { type LayerWith, layer } from "./nn/layers/layer.ts";
export {
  type Bias,
  type ConvOptions,
  conv,
  dense,
  depthwiseConv,
  localConv,
  type TransposedConvOptions,
  tiledConv,
  transposedConv,
} from "./nn/layers/linear.ts";
export {
  type BatchNormOptions,
  batchNorm,
  groupNorm,
  instanceNorm,
  type LayerNormOptions,
  type LocalResponseNormOptions,
  layerNorm,
  localResponseNorm,
  type NormOptions,
} from "./nn/layers/normalise.ts";
export {
  type AveragePoolOptions,
  averagePool,
  globalPool,
  type MaxPool,
  maxPool,
  maxPoolIndices,
  type PoolIndices,
  type PoolWeights,
  powerPool,
  unpool,
  unpooled,
} from "./nn/layers/pool.ts";
export type { PoolOptions } from "./nn/layers/pool-axes.ts";
export { channelPool, maxout, type PartialPoolOptions, partialPool } from "./nn/layers/pool-channels.ts";
export { type DynamicPoolOptions, dynamicPool, learnedPool } from "./nn/layers/pool-learned.ts";
export { type FractionalPoolOptions, fractionalPool, stochasticPool } from "./nn/layers/pool-random.ts";
export type { PoolKind } from "./nn/layers/pool-regions.ts";
export { type SeparableConvOptions, separableConv } from "./nn/layers/separable.ts";
export {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  type DiceOptions,
  diceLoss,
  type Loss,
  type LossPair,
  meanAbsoluteError,
  meanSquaredError,
  smoothL1,
  weightedLoss,
} from "./nn/losses.ts";
export { accuracy, type CellScore, type CellScores, cellScores, confusionMatrix, countCorrect, predictions, topK } from "./nn/metrics.ts";
export {
  defaultNet,
  lenet5,
  type ModelMaker,
  mobilenetv2,
  models,
  type RecurrentOptions,
  recurrentLabelling,
  resnet18,
  resnet20,
  type UnetOptions,
  unet,
} from "./nn/models/index.ts";
export { adadelta, adagrad, adam, adamax, adamW, nadam, type Optimiser, optimisers, rmsprop, sgd } from "./nn/optimisers.ts";
export { constantRate, cosineRate, oneCycleRate, type Schedule, schedules, stepRate } from "./nn/schedules.ts";
export type { Layer, LayerInfo, Net, Scope } from "./nn/scope.ts";
export {
  checkExtents,
  initialise,
  type TensorSpec,
  type TracedStep,
  type TraceOptions,
  type TrainingOptions,
  traceEvaluation,
  traceTraining,
} from "./nn/step.ts";
export { referenceTarget } from "./targets/reference/session.ts";
