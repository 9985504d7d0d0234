import { fail } from "../../base/errors.ts";
import { alignment } from "../../plan/memory.ts";

const pageBytes = 65536;

/** Bytes by what they are for. */
export type Parts = Readonly<Record<string, number>>;

const sum = (parts: Parts): number => Object.values(parts).reduce((a, b) => a + b, 0);
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 1 : 0)} MiB`;

/** The memory of a session: one WebAssembly memory, shared where that is possible, handed out in pieces and taken back. */
export class SessionMemory {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly maximumPages: number;
  /** Free pieces by address; neighbours are joined. */
  #free: { address: number; bytes: number }[] = [];
  #end: number;
  /** No byte from here on was ever handed out, so all are zero. */
  #fresh: number;

  constructor(reservedBytes: number) {
    const made = make();
    this.memory = made.memory;
    this.shared = made.shared;
    this.maximumPages = made.maximum;
    this.#end = this.memory.buffer.byteLength;
    this.#fresh = reservedBytes;
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
      const last = this.#free.at(-1);
      const atEnd = last !== undefined && last.address + last.bytes === this.#end ? last.bytes : 0;
      this.#grow(wanted - atEnd, { [what]: wanted, "in use before": this.#end - atEnd }, smallerBatch);
      piece = this.#free.find((candidate) => candidate.bytes >= wanted) as { address: number; bytes: number };
    }
    const { address } = piece;
    piece.address += wanted;
    piece.bytes -= wanted;
    if (piece.bytes === 0) this.#free.splice(this.#free.indexOf(piece), 1);
    const used = Math.min(address + wanted, this.#fresh) - address;
    if (used > 0) new Uint8Array(this.memory.buffer, address, used).fill(0);
    this.#fresh = Math.max(this.#fresh, address + wanted);
    return address;
  }

  /**
   * Sees to it that there is room for these parts, when `returned` bytes are released before: grows the memory at once, or hands out nothing.
   * Throws: ToeplitzError with every part, the limit and the hint when they are too many for the memory or for the machine.
   */
  reserve(parts: Parts, returned: number, hint: string): void {
    const free = this.#free.reduce((bytes, piece) => bytes + piece.bytes, returned);
    if (sum(parts) > free) this.#grow(sum(parts) - free, { ...parts, "in use before": this.#end - free }, hint);
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

  /** `parts`: all that is to be in the memory. */
  #grow(bytes: number, parts: Parts, hint: string): void {
    const pages = Math.ceil(bytes / pageBytes);
    const refuse = (rule: string): never => {
      const list = Object.entries(parts).flatMap(([what, size]) => (size > 0 ? [`${what} ${mebibytes(size)}`] : []));
      return fail("session", "memory", "memory of the session", rule, `${mebibytes(sum(parts))}: ${list.join(", ")}`, hint);
    };
    const limit = this.maximumPages * pageBytes;
    if (this.#end + pages * pageBytes > limit) refuse(`at most ${mebibytes(limit)}, all that its addresses reach`);
    try {
      this.memory.grow(pages);
    } catch {
      refuse("no more than the machine gives");
    }
    const end = this.memory.buffer.byteLength;
    const before = this.#end;
    this.#end = end;
    this.release(before, end - before);
  }
}

/** What a user can do about a memory that is too small. */
export const smallerBatch = "Use a smaller batch or smaller inputs.";

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
