/** Shared runs that take so many times the least one are a sign that others have a core. */
const disturbed = 1.4;
/** Runs of a way that are looked at together: the middle of their times says how fast it is, whatever one of them met. */
const window = 9;
/** Runs of a trial; the first one wakes sleeping threads and fills caches, and does not count. */
const trial = 4;
/** Runs between two trials of the other way. */
const period = 64;
/** The other way has to be faster by this much. */
const gain = 0.9;

const middle = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1];

/**
 * Decides run by run whether a program shares its work, for when others take a core its chunks wait with the thread that holds them. While
 * shared runs take about the least time seen, nothing is tried; else some runs alone say which way is faster, and later some shared ones whether
 * it still is. The bits are the same.
 */
export class Sharing {
  #isShared = true;
  #isTrial = false;
  #least = Number.POSITIVE_INFINITY;
  /** Times of the runs of this way since it began, the last ones. */
  #times: number[] = [];
  /** What the other way took when it was left. */
  #other = Number.POSITIVE_INFINITY;
  /** Runs before the next trial. */
  #rest = period;

  get isOn(): boolean {
    return this.#isShared;
  }

  /** Notes the time of the run that `isOn` was asked for. */
  note(ms: number): void {
    if (this.#isShared) this.#least = Math.min(this.#least, ms);
    this.#times.push(ms);
    if (this.#isTrial) {
      if (this.#times.length === trial) this.#judge(middle(this.#times.slice(1)));
      return;
    }
    if (this.#times.length > window) this.#times.shift();
    this.#rest--;
    if (this.#rest > 0 || this.#times.length < window) return;
    if (this.#isShared && middle(this.#times) <= disturbed * this.#least) return;
    this.#begin(!this.#isShared, middle(this.#times));
    this.#isTrial = true;
  }

  #begin(isShared: boolean, other: number): void {
    this.#isShared = isShared;
    this.#other = other;
    this.#times = [];
  }

  /** Stays with the way that was tried, or goes back to the other. */
  #judge(tried: number): void {
    this.#isTrial = false;
    const isBetter = tried < (this.#isShared ? this.#other : gain * this.#other);
    if (!isBetter) this.#begin(!this.#isShared, tried);
    this.#rest = period;
  }
}
