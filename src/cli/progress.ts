import { printCount, printNumber, printSeconds } from "./print.ts";

/** Where progress is shown. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Redraws a terminal at most so often. */
const redrawMs = 100;

/** `━━━━────` */
export function bar(part: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * width);
  return `${"━".repeat(full)}${"─".repeat(width - full)}`;
}

/** One line of a terminal that is drawn over again; nothing where there is no terminal. */
export class StatusLine {
  readonly #screen: Screen;
  #drawn = "";
  #last = Number.NEGATIVE_INFINITY;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  show(text: string, force = false): void {
    if (this.#screen.isTTY !== true) return;
    const now = performance.now();
    if (!force && now - this.#last < redrawMs) return;
    this.#last = now;
    this.#drawn = text.slice(0, (this.#screen.columns ?? 80) - 1);
    this.#screen.write(`\r\u001b[2K${this.#drawn}`);
  }

  clear(): void {
    if (this.#drawn === "") return;
    this.#drawn = "";
    this.#last = Number.NEGATIVE_INFINITY;
    this.#screen.write("\r\u001b[2K");
  }

  /** A line that stays, above the status line. */
  print(line: string): void {
    this.clear();
    this.#screen.write(`${line}\n`);
  }
}

/** What the bar of a training shows. */
export interface StepView {
  readonly epoch: number;
  readonly epochs: number;
  /** Updates of this epoch so far, and in all. */
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly examples: number;
}

/** Keeps the speed of a training and prints its bar. */
export class SpeedMeter {
  #start = performance.now();
  #examples = 0;
  #steps = 0;
  #loss = Number.NaN;

  /** A new epoch begins: the validation before it does not count as training. */
  restart(): void {
    this.#start = performance.now();
    this.#examples = 0;
    this.#steps = 0;
  }

  view({ epoch, epochs, stepInEpoch, stepsPerEpoch, step, steps, loss, learningRate, examples }: StepView, columns: number): string {
    this.#examples += examples;
    this.#steps++;
    this.#loss = Number.isNaN(this.#loss) ? loss : 0.9 * this.#loss + 0.1 * loss;
    const seconds = (performance.now() - this.#start) / 1000;
    const speed = this.#examples / seconds;
    const left = ((steps - step) * seconds) / this.#steps;
    const width = Math.max(8, Math.min(30, columns - 75));
    const place = String(epoch).padStart(String(epochs).length);
    return [
      `epoch ${place}/${epochs}`,
      bar(stepInEpoch / stepsPerEpoch, width),
      `loss ${printNumber(this.#loss)}`,
      `rate ${printNumber(learningRate)}`,
      `${printCount(speed)} examples/s`,
      `${printSeconds(left)} left`,
    ].join("  ");
  }
}
