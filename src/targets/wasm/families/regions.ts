import type { Algorithm } from "../../../ops/contract.ts";
import { blockedRegions, plainRegions } from "../../../ops/regions/wasm-regions.ts";
import { plainWhole } from "../../../ops/regions/wasm-whole.ts";

/** Pooling over regions that are known when the net runs. */
export const regions = [blockedRegions, plainRegions, plainWhole] as readonly Algorithm[];
