import type { Normalisation } from "../data/dataset.ts";
import type { NetRecipe } from "../nn/models/index.ts";
import type { LayerInfo } from "../nn/scope.ts";
import type { Best } from "./history.ts";
import type { PlainSettings } from "./settings.ts";

/** Everything that a model file says beside its tensors. */
export interface ModelDescription {
  /** The inference graph, as `saveGraph` writes it. */
  readonly graph: string;
  readonly layers: readonly LayerInfo[];
  /** States that were not trained: running statistics. */
  readonly statistics: readonly string[];
  readonly classes: readonly string[];
  /** Shape of one example: [channels, ...extents]. */
  readonly shape: readonly number[];
  /** How pictures and stored numbers become input. */
  readonly normalisation: Normalisation;
  /** `cells`: the net gives a class to every cell. Left out: to every example. */
  readonly labels?: "cells";
  /** What makes the net again for other extents. */
  readonly recipe?: NetRecipe;
  /** Of nets that take examples of unequal extents. */
  readonly unequal?: {
    /** Fewest cells on each axis of which every layer leaves one. */
    readonly least: readonly number[];
    /** The inference graph on grids of fewer cells, by their extents (`64x96`), from the fewest cells; `graph` is that of the whole shape. */
    readonly grids: Readonly<Record<string, string>>;
  };
  readonly training?: {
    readonly data: string;
    readonly settings: PlainSettings;
    /** Target and tier that the weights were made with; other tiers round otherwise. */
    readonly device: string;
    readonly best: Best | null;
  };
}
