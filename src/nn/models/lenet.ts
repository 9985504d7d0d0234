import { lecun } from "../initialisers.ts";
import { relu } from "../layers/activation.ts";
import { flatten } from "../layers/arrange.ts";
import { type Container, sequential } from "../layers/compose.ts";
import { conv, dense } from "../layers/linear.ts";
import { maxPool } from "../layers/pool.ts";

/**
 * LeNet-5 in its form of today, with relu and max pooling: 61,706 parameters for 28x28 cells and 10 classes.
 * Source: LeCun et al. 1998, section 2.2 (there with learned pooling, tanh and a connection table).
 * Shapes: [N, C, 28, 28] (other extents from 12 on do too) -> logits [N, classes].
 */
export const lenet5 = (classes: number): Container =>
  sequential(
    conv(6, { kernel: 5, padding: 2 }),
    relu(),
    maxPool(2),
    conv(16, { kernel: 5 }),
    relu(),
    maxPool(2),
    flatten(),
    dense(120),
    relu(),
    dense(84),
    relu(),
    dense(classes, { initialiser: lecun() }),
  );
