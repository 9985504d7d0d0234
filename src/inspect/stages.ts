import type { LayerInfo } from "../nn/scope.ts";
import { type LayerSummary, summarise, type TracedNet } from "./summary.ts";

/** What a part of a layer does: an affine map with its bias, a nonlinearity, a statistic of neighbours, or something else. */
export type StageKind = "convolution" | "detector" | "pooling" | "other";

/** One stage of a layer; in the simple terminology a layer of its own. */
export interface LayerStage extends LayerSummary {
  readonly stage: StageKind;
}

/** A layer in the complex terminology: convolution stage, detector stage, pooling stage. */
export interface ComplexLayer {
  readonly stages: readonly LayerStage[];
}

const kinds = new Map<string, StageKind>([
  ...["conv", "depthwiseConv", "localConv", "tiledConv", "transposedConv", "separableConv", "dense"].map(
    (kind) => [kind, "convolution"] as const,
  ),
  ...["maxPool", "averagePool", "powerPool", "globalPool", "adaptivePool", "maxout"].map((kind) => [kind, "pooling"] as const),
  ...["batchNorm", "layerNorm", "groupNorm", "instanceNorm", "localResponseNorm"].map((kind) => [kind, "other"] as const),
  ...["flatten", "reshape", "dropout", "crop", "pad", "resize", "upsample", "pixelShuffle", "unpool"].map(
    (kind) => [kind, "other"] as const,
  ),
]);
/** Nonlinearities are many, and keep the shape; pooling ends in one word. */
const stageOf = (kind: string): StageKind => kinds.get(kind) ?? (kind.endsWith("Pool") ? "pooling" : "detector");

/** Layers made of layers have no stage of their own. */
const isLeaf = ({ path }: LayerInfo, all: readonly LayerInfo[]): boolean => !all.some((other) => other.path.startsWith(`${path}/`));

/**
 * Groups the layers of a net by the chapter's two terminologies: a layer of three stages (a convolution stage begins one, the detector and pooling
 * stages behind it belong to it), or every stage a layer.
 * Source: Goodfellow et al. 2016, section 9.3 and figure 9.7.
 * Example: `complexLayers(traced).length`
 */
export function complexLayers(net: TracedNet): ComplexLayer[] {
  const leaves = net.layers.filter((layer) => layer.path !== "" && isLeaf(layer, net.layers)).map(({ path }) => path);
  const groups: LayerStage[][] = [];
  for (const row of summarise(net).layers) {
    if (!leaves.includes(row.path)) continue;
    const stage = stageOf(row.kind);
    if (stage === "convolution" || groups.length === 0) groups.push([]);
    groups[groups.length - 1].push({ ...row, stage });
  }
  return groups.map((stages) => ({ stages }));
}
