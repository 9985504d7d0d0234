import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../base/random.ts";
import type { DType, TensorType } from "../../base/types.ts";
import { ModuleBuilder } from "../../emit/wasm/module.ts";
import type { Device, Layout } from "../contract.ts";
import { place, printLayout, wordOf } from "../layout.ts";
import { conversion, haloFill, type Step } from "./index.ts";

const device: Device = { tier: "relaxed", fma: true, wide: false };
const garbage = 0x7fc0dead;
const guard = 64;

/** Runs a step over buffers of words, one chunk at a time from the last to the first; throws when a guard is hurt. */
function run({ routine, chunks }: Step, buffers: readonly Int32Array[], examples: number): Int32Array[] {
  const builder = new ModuleBuilder({ minimum: 1, maximum: 4096, shared: false });
  builder.export("run", routine.build(builder));
  const starts: number[] = [];
  let end = guard;
  for (const buffer of buffers) {
    end += guard;
    starts.push(end);
    end += Math.ceil(buffer.length / 16) * 16 + guard;
  }
  const memory = new WebAssembly.Memory({ initial: Math.ceil((end * 4) / 65536), maximum: 4096 });
  const words = new Int32Array(memory.buffer).fill(garbage);
  buffers.forEach((buffer, i) => words.set(buffer, starts[i]));
  starts.forEach((start, i) => {
    words[i] = start * 4;
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(builder.encode()), { env: { memory } });
  const total = chunks.group === 0 ? chunks.each : chunks.each * Math.ceil(examples / chunks.group);
  for (let chunk = total - 1; chunk >= 0; chunk--) (exports.run as (...numbers: number[]) => void)(0, chunk, chunk + 1, examples);
  const inside = new Uint8Array(words.length);
  inside.fill(1, 0, buffers.length);
  starts.forEach((start, i) => inside.fill(1, start, start + buffers[i].length));
  for (let i = 0; i < words.length; i++) assert.ok(inside[i] === 1 || words[i] === garbage, `word ${i} outside of the buffers`);
  return starts.map((start, i) => words.slice(start, start + buffers[i].length));
}

function eachCell(type: TensorType, visit: (example: number, channel: number, cell: number[], index: number) => void): void {
  const [examples, channels = 1, ...extents] = type.batched ? type.shape : [1, ...type.shape];
  const cells = extents.reduce((a, b) => a * b, 1);
  for (let index = 0; index < examples * channels * cells; index++) {
    const cell: number[] = [];
    let rest = index % cells;
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      cell[axis] = rest % extents[axis];
      rest = Math.floor(rest / extents[axis]);
    }
    const outer = Math.floor(index / cells);
    visit(Math.floor(outer / channels), outer % channels, cell, index);
  }
}

const draws = random(5);
const halo = (axes: number) => Array.from({ length: axes }, () => ({ low: draws.integer(0, 2), high: draws.integer(0, 3) }));

function sample(): { type: TensorType; from: Layout; to: Layout } {
  const axes = draws.integer(0, 3);
  const batched = draws.uniform() < 0.7;
  const dtype: DType = draws.pick(["f32", "i32"]);
  const extents = Array.from({ length: axes }, () => draws.pick([1, 2, 3, 5, 7, 8, 16, 19, 33]));
  const shape = [...(batched ? [draws.integer(1, 3)] : []), draws.pick([1, 3, 4, 8, 11, 16, 17, 24, 33]), ...extents];
  const blocks = draws.pick([
    [1, 1],
    [1, 8],
    [1, 16],
    [8, 1],
    [16, 1],
    [8, 8],
    [16, 16],
    [8, 16],
    [16, 8],
  ]);
  const layout = (block: number): Layout => ({
    block,
    halo: draws.uniform() < 0.5 ? [] : halo(axes),
    fill: draws.pick([0, Number.NEGATIVE_INFINITY]),
  });
  return { type: { dtype, shape, batched }, from: layout(blocks[0]), to: layout(blocks[1]) };
}

test("conversions move every cell, clear spare lanes and touch nothing else", () => {
  for (let round = 0; round < 120; round++) {
    const { type, from, to } = sample();
    const name = `${type.shape.join("x")} ${printLayout(from)} -> ${printLayout(to)}`;
    const [a, b] = [place(type, from), place(type, to)];
    const examples = type.batched ? draws.integer(1, type.shape[0]) : 1;
    const source = new Int32Array(a.words).fill(garbage);
    const lanesOf = (blocks: number): TensorType => ({ ...type, shape: [...(type.batched ? [examples] : []), blocks, ...a.extents] });
    eachCell(lanesOf(a.blocks * a.block), (example, channel, cell) => {
      source[wordOf(a, example, channel, cell)] = 0;
    });
    eachCell(type, (example, channel, cell, index) => {
      source[wordOf(a, example, channel, cell)] = index + 1;
    });
    const expected = new Int32Array(b.words).fill(garbage);
    eachCell(lanesOf(b.blocks * b.block), (example, channel, cell) => {
      expected[wordOf(b, example, channel, cell)] = channel < b.channels ? source[wordOf(a, example, channel, cell)] : 0;
    });
    const found = run(conversion(type, from, to, device), [source, new Int32Array(b.words).fill(garbage)], examples)[1];
    const wrong = found.findIndex((word, i) => word !== expected[i]);
    assert.equal(wrong, -1, `${name}: word ${wrong} is ${found[wrong]}, expected ${expected[wrong]}`);
  }
});

test("halos are filled around every block and lane, and nothing within", () => {
  for (let round = 0; round < 100; round++) {
    const { type, to } = sample();
    const at = place(type, to);
    const name = `${type.shape.join("x")} ${printLayout(to)}`;
    const examples = type.batched ? draws.integer(1, type.shape[0]) : 1;
    const fill = type.dtype === "f32" ? new Int32Array(Float32Array.of(to.fill).buffer)[0] : to.fill | 0;
    const expected = new Int32Array(at.words).fill(garbage);
    expected.fill(fill, 0, at.exampleStride * examples);
    const lanes = {
      ...type,
      shape: type.batched ? [examples, at.blocks * at.block, ...at.extents] : [at.blocks * at.block, ...at.extents],
    };
    eachCell(lanes, (example, channel, cell) => {
      expected[wordOf(at, example, channel, cell)] = garbage;
    });
    const [found] = run(haloFill(type, to), [new Int32Array(at.words).fill(garbage)], examples);
    const wrong = found.findIndex((word, i) => word !== expected[i]);
    assert.equal(wrong, -1, `${name}: word ${wrong} is ${found[wrong]}, expected ${expected[wrong]}`);
  }
});
