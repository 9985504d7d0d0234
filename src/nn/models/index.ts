import type { Layer, Net } from "../scope.ts";
import { defaultNet } from "./default-net.ts";
import { lenet5 } from "./lenet.ts";
import { mobilenetv2 } from "./mobilenet.ts";
import { type RecurrentOptions, recurrentLabelling } from "./recurrent.ts";
import { resnet18, resnet20 } from "./resnet.ts";
import { type UnetOptions, unet, unetFor } from "./unet.ts";

export { defaultNet } from "./default-net.ts";
export { lenet5 } from "./lenet.ts";
export { mobilenetv2 } from "./mobilenet.ts";
export { type RecurrentOptions, recurrentLabelling } from "./recurrent.ts";
export { resnet18, resnet20 } from "./resnet.ts";
export { type UnetOptions, unet } from "./unet.ts";

/** Makes a net for examples of a shape [channels, ...extents]: the largest extents where `unequal` says that examples have their own. */
export type ModelMaker = (shape: readonly number[], classes: number, unequal?: boolean) => Layer;

/** Named models. Example: `models.resnet20([3, 32, 32], 10)` */
export const models: Readonly<Record<string, ModelMaker>> = {
  default: defaultNet,
  lenet5: (_, classes) => lenet5(classes),
  resnet20: (_, classes) => resnet20(classes),
  resnet18: (_, classes) => resnet18(classes),
  mobilenetv2: (_, classes) => mobilenetv2(classes),
  unet: unetFor,
  recurrent: (_, classes) => recurrentLabelling({ classes }),
};

/** A net that can be made again from plain data, for other extents than it was trained at. */
export interface NetRecipe {
  readonly kind: string;
  readonly options: unknown;
}

const recipes: Readonly<Record<string, (options: never) => Layer>> = {
  unet: (options: UnetOptions) => unet(options),
  recurrentLabelling: (options: RecurrentOptions) => recurrentLabelling(options),
};

/** What makes a net of cells again, where it is one of ours: `unet` or `recurrentLabelling`. */
export function recipeOf(net: Net): NetRecipe | undefined {
  if (typeof net === "function" || !Object.hasOwn(recipes, net.kind) || !("options" in net)) return undefined;
  return { kind: net.kind, options: net.options };
}

/** The net of a recipe; undefined where it is of another version. */
export const netOf = ({ kind, options }: NetRecipe): Layer | undefined =>
  Object.hasOwn(recipes, kind) ? recipes[kind](options as never) : undefined;
