import { fail } from "../../base/errors.ts";
import { alignment } from "../../plan/memory.ts";

const pageBytes = 65536;

/** The memory of a session: one WebAssembly memory, shared where that is possible, handed out in pieces and taken back. */
export class SessionMemory {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly maximumPages: number;
  /** Free pieces by address; neighbours are joined. */
  #free: { address: number; bytes: number }[] = [];
  #end: number;

  constructor(reservedBytes: number) {
    const made = make();
    this.memory = made.memory;
    this.shared = made.shared;
    this.maximumPages = made.maximum;
    this.#end = this.memory.buffer.byteLength;
    this.#free = [{ address: reservedBytes, bytes: this.#end - reservedBytes }];
  }

  get bytes(): number {
    return this.#end;
  }

  /** Address of so many bytes, on a cache line, with all cells zero. Grows the memory when it must: views have to be remade then. */
  allocate(bytes: number, what: string): number {
    const wanted = Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
    let piece = this.#free.find((candidate) => candidate.bytes >= wanted);
    if (piece === undefined) {
      this.#grow(wanted, what);
      piece = this.#free.find((candidate) => candidate.bytes >= wanted) as { address: number; bytes: number };
    }
    const { address } = piece;
    piece.address += wanted;
    piece.bytes -= wanted;
    if (piece.bytes === 0) this.#free.splice(this.#free.indexOf(piece), 1);
    new Uint8Array(this.memory.buffer, address, wanted).fill(0);
    return address;
  }

  release(address: number, bytes: number): void {
    const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
    this.#free.push({ address, bytes: size });
    this.#free.sort((a, b) => a.address - b.address);
    const joined: { address: number; bytes: number }[] = [];
    for (const piece of this.#free) {
      const last = joined.at(-1);
      if (last !== undefined && last.address + last.bytes === piece.address) last.bytes += piece.bytes;
      else joined.push(piece);
    }
    this.#free = joined;
  }

  #grow(wanted: number, what: string): void {
    const last = this.#free.at(-1);
    const atEnd = last !== undefined && last.address + last.bytes === this.#end ? last.bytes : 0;
    const pages = Math.ceil((wanted - atEnd) / pageBytes);
    try {
      if (this.#end / pageBytes + pages > this.maximumPages) throw new RangeError("maximum");
      this.memory.grow(pages);
    } catch {
      const megabytes = (value: number): string => `${Math.ceil(value / 2 ** 20)} MiB`;
      fail(
        "session",
        "memory",
        `memory for ${what}`,
        `at most ${megabytes(this.maximumPages * pageBytes)} in all`,
        `${megabytes(this.#end)} in use and ${megabytes(wanted)} more`,
        "Use a smaller batch, or smaller inputs.",
      );
    }
    const end = this.memory.buffer.byteLength;
    const before = this.#end;
    this.#end = end;
    this.release(before, end - before);
  }
}

/** Shared memory where the platform has it; the largest maximum that it lets us reserve. */
function make(): { memory: WebAssembly.Memory; shared: boolean; maximum: number } {
  // a page that is not isolated has no shared buffers, though an engine may still make a shared memory there: no worker could be given it
  for (const shared of typeof SharedArrayBuffer === "undefined" ? [false] : [true, false]) {
    for (const maximum of [65536, 32768, 16384, 8192]) {
      try {
        return { memory: new WebAssembly.Memory({ initial: 16, maximum, shared }), shared, maximum };
      } catch {
        // a smaller reservation may still be granted
      }
    }
  }
  return fail("session", "memory", "WebAssembly memory", "at least 512 MiB of address space", "none", "Close other sessions first.");
}
