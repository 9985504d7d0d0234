import type { Layer } from "../scope.ts";
import { defaultNet } from "./default-net.ts";
import { lenet5 } from "./lenet.ts";
import { mobilenetv2 } from "./mobilenet.ts";
import { resnet18, resnet20 } from "./resnet.ts";

export { defaultNet } from "./default-net.ts";
export { lenet5 } from "./lenet.ts";
export { mobilenetv2 } from "./mobilenet.ts";
export { resnet18, resnet20 } from "./resnet.ts";

/** Makes a net for examples of a shape [channels, ...extents]. */
export type ModelMaker = (shape: readonly number[], classes: number) => Layer;

/** Named models. Example: `models.resnet20([3, 32, 32], 10)` */
export const models: Readonly<Record<string, ModelMaker>> = {
  default: defaultNet,
  lenet5: (_, classes) => lenet5(classes),
  resnet20: (_, classes) => resnet20(classes),
  resnet18: (_, classes) => resnet18(classes),
  mobilenetv2: (_, classes) => mobilenetv2(classes),
};
