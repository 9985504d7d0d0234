/** Shared runs that take so many times the least one are a sign that others have a core. */
const disturbed = 1.4;
/** Runs between two trials of the other way. */
const period = 64;

/**
 * Decides run by run whether a program shares its work, for when others take a core its chunks wait with the thread that holds them. While
 * shared runs take about the least time seen, nothing is tried; else one run alone says which way is faster. The bits are the same.
 */
export class Sharing {
  #least = Number.POSITIVE_INFINITY;
  #shared = 0;
  #alone = 0;
  /** Runs that are still to be done alone. */
  #left = 0;
  /** Shared runs before the next trial. */
  #rest = period;
  #isTrial = false;

  get isOn(): boolean {
    return this.#left === 0;
  }

  /** Notes the time of the run that `isOn` was asked for. */
  note(ms: number): void {
    if (this.#left === 0) this.#noteShared(ms);
    else this.#noteAlone(ms);
  }

  #noteShared(ms: number): void {
    this.#least = Math.min(this.#least, ms);
    this.#shared = this.#shared === 0 ? ms : (3 * this.#shared + ms) / 4;
    this.#rest--;
    if (this.#alone > 0 && ms > this.#alone) this.#left = period;
    else if (this.#rest <= 0 && this.#shared > disturbed * this.#least) {
      this.#left = 1;
      this.#isTrial = true;
    } else this.#alone = 0;
  }

  #noteAlone(ms: number): void {
    this.#left--;
    this.#alone = ms;
    if (this.#left > 0) return;
    if (this.#isTrial && ms < this.#shared) this.#left = period;
    else if (this.#isTrial) this.#alone = 0;
    this.#isTrial = false;
    this.#shared = 0;
    this.#rest = period / 4;
  }
}
