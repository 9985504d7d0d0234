import { Bytes } from "./bytes.ts";
import { FunctionBuilder, typeBytes, type ValueType } from "./function.ts";

/** Limits of the imported memory, in pages of 64 KiB. */
export interface MemoryImport {
  readonly minimum: number;
  readonly maximum: number;
  readonly shared: boolean;
}

/** Collects functions, then writes the binary module. Its memory is imported as `env.memory`. */
export class ModuleBuilder {
  readonly #memory: MemoryImport;
  readonly #functions: { readonly body: Bytes; readonly type: number }[] = [];
  /** Functions by the length of their bodies. */
  readonly #written = new Map<number, number[]>();
  readonly #types: string[] = [];
  readonly #exports: { readonly name: string; readonly index: number }[] = [];

  constructor(memory: MemoryImport) {
    this.#memory = memory;
  }

  /** Adds a function, which `body` writes, and returns its index: that of an equal one where there is one, so that it is compiled once. */
  function(parameters: readonly ValueType[], results: readonly ValueType[], body: (f: FunctionBuilder) => void): number {
    const builder = new FunctionBuilder(parameters, results);
    body(builder);
    const made = { body: builder.encode(), type: this.#type(parameters, results) };
    const alike = this.#written.get(made.body.length) ?? [];
    const known = alike.find((index) => this.#functions[index].type === made.type && this.#functions[index].body.equals(made.body));
    if (known !== undefined) return known;
    const index = this.#functions.push(made) - 1;
    this.#written.set(made.body.length, [...alike, index]);
    return index;
  }

  export(name: string, index: number): void {
    this.#exports.push({ name, index });
  }

  #type(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${parameters.join(" ")}>${results.join(" ")}`;
    const known = this.#types.indexOf(key);
    return known >= 0 ? known : this.#types.push(key) - 1;
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out = new Bytes(4096);
    out.all([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    section(out, 1, this.#types.length, (bytes) => {
      for (const key of this.#types) {
        const [parameters, results] = key.split(">").map((half) => (half === "" ? [] : (half.split(" ") as ValueType[])));
        bytes.byte(0x60);
        for (const list of [parameters, results]) {
          bytes.unsigned(list.length);
          for (const type of list) bytes.byte(typeBytes[type]);
        }
      }
    });
    section(out, 2, 1, (bytes) => {
      bytes.name("env");
      bytes.name("memory");
      bytes.all([0x02, this.#memory.shared ? 0x03 : 0x01]);
      bytes.unsigned(this.#memory.minimum);
      bytes.unsigned(this.#memory.maximum);
    });
    section(out, 3, this.#functions.length, (bytes) => {
      for (const { type } of this.#functions) bytes.unsigned(type);
    });
    section(out, 7, this.#exports.length, (bytes) => {
      for (const { name, index } of this.#exports) {
        bytes.name(name);
        bytes.byte(0x00);
        bytes.unsigned(index);
      }
    });
    section(out, 10, this.#functions.length, (bytes) => {
      for (const { body } of this.#functions) bytes.sized(body);
    });
    return out.view().slice();
  }
}

function section(out: Bytes, id: number, count: number, fill: (bytes: Bytes) => void): void {
  if (count === 0) return;
  const bytes = new Bytes(1024);
  bytes.unsigned(count);
  fill(bytes);
  out.byte(id);
  out.sized(bytes);
}
