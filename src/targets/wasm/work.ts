/**
 * What every thread of a session runs: the stages of a program, chunk by chunk. This one function is also sent to the
 * workers as text, so it must not refer to anything outside of itself.
 *
 * Words of a program's script, from `script`: number of stages, then five per stage (first entry, entries, chunks of this
 * run, next chunk, chunks done), then three per entry (function, table of addresses, chunks of this run).
 * The next-chunk word carries the number of the run in its upper bits: a thread that was held up cannot take a chunk of a later run.
 * Control words: 0 run number, 1 script, 2 program, 3 examples, 4 messages sent (a worker that has read fewer goes back to its event loop), 5 sleeping threads.
 */
export function work(
  words: Int32Array,
  control: number,
  run: number,
  functions: readonly ((table: number, begin: number, end: number, examples: number) => void)[],
  spins: number,
): void {
  const script = words[control + 1];
  const examples = words[control + 3];
  const stages = words[script];
  const entries = script + 1 + 5 * stages;
  const tag = run & 0x7ff;
  for (let stage = 0; stage < stages; stage++) {
    const at = script + 1 + 5 * stage;
    const total = words[at + 2];
    let mine = 0;
    for (;;) {
      const ticket = Atomics.load(words, at + 3);
      if (ticket >>> 20 !== tag) return;
      let chunk = ticket & 0xfffff;
      if (chunk >= total) break;
      if (Atomics.compareExchange(words, at + 3, ticket, ticket + 1) !== ticket) continue;
      let entry = entries + 3 * words[at];
      while (chunk >= words[entry + 2]) {
        chunk -= words[entry + 2];
        entry += 3;
      }
      functions[words[entry]](words[entry + 1], chunk, chunk + 1, examples);
      mine++;
    }
    if (mine > 0 && Atomics.add(words, at + 4, mine) + mine === total && Atomics.load(words, control + 5) > 0)
      Atomics.notify(words, at + 4);
    for (let spin = 0; ; spin++) {
      const done = Atomics.load(words, at + 4);
      if (done === total || Atomics.load(words, control) !== run) break;
      if (spin > spins) {
        Atomics.add(words, control + 5, 1);
        Atomics.wait(words, at + 4, done, 2);
        Atomics.sub(words, control + 5, 1);
      }
    }
  }
}
