import { fail, type Problem, Problems, ToeplitzError } from "../base/errors.ts";
import { type DType, size, type Tensor } from "../base/types.ts";
import { bytesOf, type ElementName, elementKinds, readElements, tensorFault } from "./elements.ts";

const room = "safetensors";
const lengthBytes = 8;
const headerLimit = 100_000_000;
const metadataName = "__metadata__";
const problemLimit = 8;
const names: Record<DType, ElementName> = { f32: "F32", i32: "I32", u8: "U8" };
const notSafetensors = "The file is cut short, or is not a safetensors file.";

/** What a safetensors file holds: tensors in the order of their data, and the strings beside them. */
export interface SafetensorsFile {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Record<string, string>;
}

/**
 * Bytes of a safetensors file: header length (8 bytes, little-endian), JSON header padded with spaces to a multiple of 8, then the cells.
 * Source: the safetensors format, https://huggingface.co/docs/safetensors.
 * Shapes: any, scalars and empty ones included. Equal contents give equal bytes, whatever their order: wide elements first, then by name.
 * Throws: ToeplitzError where a tensor's array does not fit its type, or a name is reserved.
 * Example: `writeSafetensors({ "conv.kernel": tensor }, { epoch: "3" })`
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries: [string, Tensor][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  checkWritable(entries, metadata);
  const elementBytes = ([, { dtype }]: [string, Tensor]): number => elementKinds[names[dtype]].bytes;
  entries.sort((a, b) => elementBytes(b) - elementBytes(a) || (a[0] < b[0] ? -1 : 1));

  let end = 0;
  const header = entries.map(([name, tensor]) => {
    const begin = end;
    end += tensor.data.byteLength;
    return [name, { dtype: names[tensor.dtype], shape: tensor.shape, data_offsets: [begin, end] }] as const;
  });
  const strings = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  // fromEntries defines own properties, so a tensor may even be called __proto__
  const described = Object.fromEntries<unknown>(strings.length > 0 ? [[metadataName, Object.fromEntries(strings)], ...header] : header);
  const json = new TextEncoder().encode(JSON.stringify(described));
  const headerLength = Math.ceil(json.length / 8) * 8;
  if (headerLength > headerLimit) fail(room, "", "header length", `<= ${headerLimit} bytes`, headerLength, "Store less in the metadata.");

  const file = new Uint8Array(lengthBytes + headerLength + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, lengthBytes, lengthBytes + headerLength).set(json, lengthBytes);
  let at = lengthBytes + headerLength;
  for (const [, tensor] of entries) {
    file.set(bytesOf(tensor), at);
    at += tensor.data.byteLength;
  }
  return file;
}

function checkWritable(entries: readonly [string, Tensor][], metadata: Readonly<Record<string, string>>): void {
  const problems = new Problems(room);
  for (const [name, tensor] of entries) {
    problems.check(name !== metadataName, "tensor name", `anything but ${metadataName}, which the format reserves`, name);
    const fault = tensorFault(tensor);
    if (fault !== null) problems.check(false, `tensor ${quote(name)}`, fault.expected, fault.received);
  }
  for (const [key, value] of Object.entries(metadata)) {
    problems.check(typeof value === "string", `metadata ${quote(key)}`, "a string", typeof value);
  }
  problems.throwIfAny();
}

/**
 * Reads a safetensors file: cells of F32, I32, U8 and BOOL are views on `bytes` where aligned; other element types are converted to f32 or i32.
 * Source: the safetensors format, https://huggingface.co/docs/safetensors.
 * Throws: ToeplitzError that names everything wrong with the file (the first 8 problems): cut short, header, offsets, shapes, values that do not fit.
 * Example: `readSafetensors(await readFile(path), path).tensors.get("conv.kernel")`
 */
export function readSafetensors(bytes: Uint8Array, where: string): SafetensorsFile {
  const headerLength = readHeaderLength(bytes, where);
  const header = readHeader(bytes.slice(lengthBytes, lengthBytes + headerLength), where);
  const data = bytes.subarray(lengthBytes + headerLength);
  const found: Problem[] = [];
  const metadata = readMetadata(header[metadataName], found);
  const entries = Object.entries(header)
    .filter(([name]) => name !== metadataName)
    .flatMap(([name, value]) => readEntry(name, value, data.length, found) ?? [])
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(entries, data.length, found);
  throwFirst(found, where);

  const tensors = new Map<string, Tensor>();
  for (const { name, element, shape, begin, end } of entries) {
    const kind = elementKinds[element];
    const { data: cells, misfit } = readElements(kind, data.subarray(begin, end), size(shape));
    if (misfit !== undefined) {
      const rule =
        kind.dtype === "i32" ? "integers from -2147483648 to 2147483647 (read as i32)" : "magnitudes <= 3.4028235e38 (read as f32)";
      found.push({ what: `tensor ${quote(name)} (${element})`, expected: rule, received: `${misfit.value} in cell ${misfit.cell}` });
    }
    tensors.set(name, { dtype: kind.dtype, shape, data: cells });
  }
  throwFirst(found, where);
  return { tensors, metadata };
}

function readHeaderLength(bytes: Uint8Array, where: string): number {
  if (bytes.length < lengthBytes) fail(room, where, "file length", `>= ${lengthBytes} bytes`, bytes.length, notSafetensors);
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
  const available = bytes.length - lengthBytes;
  const problems = new Problems(room, where);
  problems.check(length <= headerLimit, "header length", `<= ${headerLimit} bytes`, length, notSafetensors);
  problems.check(
    length <= available,
    "header length",
    `<= ${available} (file of ${bytes.length} bytes less ${lengthBytes})`,
    length,
    notSafetensors,
  );
  problems.check(length >= 2, "header length", ">= 2 (the header is a JSON object)", length, notSafetensors);
  problems.throwIfAny();
  return Number(length);
}

function readHeader(bytes: Uint8Array, where: string): Record<string, unknown> {
  const expected = "a JSON object in UTF-8";
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    const received = error instanceof SyntaxError ? `text that is not JSON (${error.message})` : "bytes that are not UTF-8";
    fail(room, where, "header", expected, received, notSafetensors);
  }
  if (!isRecord(header)) fail(room, where, "header", expected, Array.isArray(header) ? "an array" : String(header), notSafetensors);
  const twice = repeatedKeys(text);
  if (twice.length > 0) fail(room, where, "header names", "each name once", `${twice.map(quote).join(", ")} more than once`);
  return header;
}

/** Names that one JSON object of `json` (valid JSON) gives more than once; a parser would keep the last without a word. */
function repeatedKeys(json: string): string[] {
  const open: Set<string>[] = [];
  const twice = new Set<string>();
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{") open.push(new Set());
    else if (character === "}") open.pop();
    else if (character === '"') {
      const end = closingQuote(json, at);
      if (isKey(json, end + 1)) {
        const key: string = JSON.parse(json.slice(at, end + 1));
        const keys = open[open.length - 1];
        if (keys.has(key)) twice.add(key);
        keys.add(key);
      }
      at = end;
    }
  }
  return [...twice];
}

function closingQuote(json: string, openingQuote: number): number {
  for (let at = openingQuote + 1; ; at++) {
    if (json[at] === "\\") at++;
    else if (json[at] === '"') return at;
  }
}

function isKey(json: string, afterString: number): boolean {
  let at = afterString;
  while (at < json.length && " \t\r\n".includes(json[at])) at++;
  return json[at] === ":";
}

function readMetadata(value: unknown, found: Problem[]): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) {
    found.push({ what: metadataName, expected: "an object of strings", received: JSON.stringify(value) });
    return {};
  }
  const strings = Object.entries(value).filter((entry): entry is [string, string] => {
    const good = typeof entry[1] === "string";
    if (!good)
      found.push({ what: `${metadataName} ${quote(entry[0])}`, expected: "a string", received: shorten(JSON.stringify(entry[1])) });
    return good;
  });
  return Object.fromEntries(strings);
}

interface Entry {
  readonly name: string;
  readonly element: ElementName;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** One entry of the header, checked against itself and the data that follows; null where it is not whole. */
function readEntry(name: string, value: unknown, dataBytes: number, found: Problem[]): Entry | null {
  const what = `tensor ${quote(name)}`;
  const check = (holds: boolean, part: string, expected: string, received: unknown, hint?: string): boolean => {
    if (!holds) found.push({ what: `${what}${part}`, expected, received: String(received), ...(hint === undefined ? {} : { hint }) });
    return holds;
  };
  if (!isRecord(value)) {
    check(false, "", "an object with dtype, shape and data_offsets", shorten(JSON.stringify(value)));
    return null;
  }
  const { dtype, shape, data_offsets: offsets } = value;
  const known = Object.keys(elementKinds).join(", ");
  const dtypeGood = typeof dtype === "string" && Object.hasOwn(elementKinds, dtype);
  const shapeGood = isExtents(shape);
  const offsetsGood = isExtents(offsets) && offsets.length === 2;
  check(dtypeGood, " dtype", `one of ${known}`, shorten(JSON.stringify(dtype)));
  check(shapeGood, " shape", "a list of integers >= 0", shorten(JSON.stringify(shape)));
  check(offsetsGood, " data_offsets", "two integers >= 0", shorten(JSON.stringify(offsets)));
  if (!dtypeGood || !shapeGood || !offsetsGood) return null;

  const element = dtype as ElementName;
  const [begin, end] = offsets;
  const { bytes } = elementKinds[element];
  const needed = size(shape) * bytes;
  const cut = `The file is cut short by at least ${end - dataBytes} bytes.`;
  const ordered = check(begin <= end, " data_offsets", "begin <= end", `[${begin}, ${end}]`);
  const inside = check(end <= dataBytes, " data_offsets", `end <= ${dataBytes} (bytes after the header)`, `[${begin}, ${end}]`, cut);
  const product = shape.length === 0 ? "one cell" : shape.join(" x ");
  const fits = check(
    !ordered || needed === end - begin,
    " size",
    `${needed} bytes (${product} of ${element}, ${bytes} bytes each)`,
    `${end - begin} bytes (offsets ${begin} to ${end})`,
  );
  return ordered && inside && fits ? { name, element, shape, begin, end } : null;
}

/** The data must be covered once: no byte by two tensors, none by no tensor. `entries` lie in order of their offsets. */
function checkCover(entries: readonly Entry[], dataBytes: number, found: Problem[]): void {
  // gaps mean nothing where a tensor was left out for another fault
  const whole = found.length === 0;
  let covered = 0;
  let last = "";
  for (const { name, begin, end } of entries) {
    if (begin < covered && begin < end) {
      const expected = `to begin at ${covered} or later, where tensor ${quote(last)} ends`;
      found.push({ what: `tensor ${quote(name)} overlap`, expected, received: `offsets ${begin} to ${end}` });
    } else if (begin > covered && whole) found.push(hole(covered, begin));
    if (end >= covered) {
      covered = end;
      last = name;
    }
  }
  if (covered < dataBytes && whole) found.push(hole(covered, dataBytes));
}

function hole(begin: number, end: number): Problem {
  return { what: "data", expected: "every byte in a tensor", received: `${end - begin} bytes in none (offsets ${begin} to ${end})` };
}

function throwFirst(found: readonly Problem[], where: string): void {
  if (found.length === 0) return;
  const more = found.length - problemLimit;
  const rest = { what: "more", expected: "no problem", received: `${more} problems like these` };
  throw new ToeplitzError(room, where, more > 0 ? [...found.slice(0, problemLimit), rest] : found);
}

function isExtents(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function quote(name: string): string {
  return JSON.stringify(shorten(name));
}

function shorten(text: string | undefined): string {
  if (text === undefined) return "nothing";
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
