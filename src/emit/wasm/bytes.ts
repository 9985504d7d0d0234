/** A growing byte buffer with the number forms of the wasm binary format. */
export class Bytes {
  #data: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#data = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#data.length) return;
    const larger = new Uint8Array(Math.max(this.#data.length * 2, this.#length + extra));
    larger.set(this.#data.subarray(0, this.#length));
    this.#data = larger;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#data[this.#length++] = value;
  }

  /** A byte, and an unsigned number that nearly always is a byte too: what most instructions are. */
  pair(first: number, second: number): void {
    if (second >= 0x80 || this.#length + 2 > this.#data.length) {
      this.byte(first);
      this.unsigned(second);
      return;
    }
    this.#data[this.#length] = first;
    this.#data[this.#length + 1] = second;
    this.#length += 2;
  }

  all(values: ArrayLike<number>): void {
    const { length } = values;
    this.#reserve(length);
    // an instruction is a few bytes, for which a call of the engine takes longer than they do
    if (length <= 16) for (let i = 0; i < length; i++) this.#data[this.#length + i] = values[i];
    else this.#data.set(values, this.#length);
    this.#length += length;
  }

  /** Unsigned LEB128. */
  unsigned(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  f32(value: number): void {
    this.all(new Uint8Array(Float32Array.of(value).buffer));
  }

  f64(value: number): void {
    this.all(new Uint8Array(Float64Array.of(value).buffer));
  }

  name(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.unsigned(encoded.length);
    this.all(encoded);
  }

  /** A byte vector: its length, then its bytes. */
  sized(inner: Bytes): void {
    this.unsigned(inner.length);
    this.all(inner.view());
  }

  equals(other: Bytes): boolean {
    if (other.#length !== this.#length) return false;
    for (let i = 0; i < this.#length; i++) if (other.#data[i] !== this.#data[i]) return false;
    return true;
  }

  view(): Uint8Array {
    return this.#data.subarray(0, this.#length);
  }
}
