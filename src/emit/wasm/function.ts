import { invariant } from "../../base/errors.ts";
import { Bytes } from "./bytes.ts";
import {
  type LaneMemoryOpcode,
  type LaneOpcode,
  laneMemoryOpcodes,
  laneOpcodes,
  type MemoryOpcode,
  memoryOpcodes,
  type Opcode,
  opcodes,
} from "./opcodes.ts";

export type ValueType = "i32" | "f32" | "f64" | "v128";

export const typeBytes: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A local variable of an emitted function. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

/** Where a branch goes; made by `block` and `loop`. */
export interface Label {
  readonly depth: number;
}

/** Writes the body of one function, instruction by instruction, in stack order. */
export class FunctionBuilder {
  readonly parameters: readonly Local[];
  readonly results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #code = new Bytes(1024);
  #depth = 0;

  constructor(parameters: readonly ValueType[], results: readonly ValueType[]) {
    this.parameters = parameters.map((type, index) => ({ index, type }));
    this.results = results;
  }

  local(type: ValueType): Local {
    this.#locals.push(type);
    return { index: this.parameters.length + this.#locals.length - 1, type };
  }

  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** Pushes a local. */
  get(local: Local): this {
    this.#code.pair(0x20, local.index);
    return this;
  }

  /** Pops into a local. */
  set(local: Local): this {
    this.#code.pair(0x21, local.index);
    return this;
  }

  /** Copies the top of the stack into a local. */
  tee(local: Local): this {
    this.#code.pair(0x22, local.index);
    return this;
  }

  i32(value: number): this {
    this.#code.byte(0x41);
    this.#code.signed(value);
    return this;
  }

  f32(value: number): this {
    this.#code.byte(0x43);
    this.#code.f32(value);
    return this;
  }

  f64(value: number): this {
    this.#code.byte(0x44);
    this.#code.f64(value);
    return this;
  }

  /** Pushes a vector with these four 32-bit floats. */
  f32x4(a: number, b = a, c = a, d = a): this {
    this.#code.all([0xfd, 0x0c]);
    this.#code.all(new Uint8Array(Float32Array.of(a, b, c, d).buffer));
    return this;
  }

  /** Pushes a vector with these four 32-bit integers. */
  i32x4(a: number, b = a, c = a, d = a): this {
    this.#code.all([0xfd, 0x0c]);
    this.#code.all(new Uint8Array(Int32Array.of(a, b, c, d).buffer));
    return this;
  }

  op(...names: readonly Opcode[]): this {
    for (const name of names) this.#code.all(opcodes[name]);
    return this;
  }

  /** A load (address on the stack) or a store (address, then value, on the stack) at a constant byte offset. */
  memory(name: MemoryOpcode, offset = 0): this {
    const [code, align] = memoryOpcodes[name];
    invariant(offset >= 0, () => `memory offset ${offset}`);
    this.#code.all(code);
    this.#code.unsigned(align);
    this.#code.unsigned(offset);
    return this;
  }

  laneMemory(name: LaneMemoryOpcode, lane: number, offset = 0): this {
    const [code, align] = laneMemoryOpcodes[name];
    this.#code.all(code);
    this.#code.unsigned(align);
    this.#code.unsigned(offset);
    this.#code.byte(lane);
    return this;
  }

  lane(name: LaneOpcode, lane: number): this {
    this.#code.all(laneOpcodes[name]);
    this.#code.byte(lane);
    return this;
  }

  /** Picks 16 bytes out of two vectors. */
  shuffle(bytes: readonly number[]): this {
    this.#code.all([0xfd, 0x0d]);
    this.#code.all(bytes);
    return this;
  }

  call(index: number): this {
    this.#code.pair(0x10, index);
    return this;
  }

  block(body: (exit: Label) => void): this {
    return this.#structure(0x02, body);
  }

  loop(body: (again: Label) => void): this {
    return this.#structure(0x03, body);
  }

  /** Runs `then` when the popped i32 is not zero. */
  if(then: () => void, otherwise?: () => void): this {
    this.#code.all([0x04, 0x40]);
    this.#depth++;
    then();
    if (otherwise !== undefined) {
      this.#code.byte(0x05);
      otherwise();
    }
    this.#code.byte(0x0b);
    this.#depth--;
    return this;
  }

  #structure(code: number, body: (label: Label) => void): this {
    this.#code.all([code, 0x40]);
    this.#depth++;
    body({ depth: this.#depth });
    this.#code.byte(0x0b);
    this.#depth--;
    return this;
  }

  branch(label: Label): this {
    this.#code.pair(0x0c, this.#depth - label.depth);
    return this;
  }

  branchIf(label: Label): this {
    this.#code.pair(0x0d, this.#depth - label.depth);
    return this;
  }

  /** Body of the code section's entry. */
  encode(): Bytes {
    const body = new Bytes(this.#code.length + 64);
    body.unsigned(this.#locals.length);
    for (const type of this.#locals) {
      body.unsigned(1);
      body.byte(typeBytes[type]);
    }
    body.all(this.#code.view());
    body.byte(0x0b);
    return body;
  }
}
