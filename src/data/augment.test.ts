import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { augmenter } from "./augment.ts";
import { augmentations, checkAugmentation, parseAugmentation } from "./augmentations.ts";
import type { Augmentation } from "./dataset.ts";
import { normaliseInto, scaleOf } from "./normalise.ts";
import { resampleAffine, spaceOf } from "./resample.ts";

const normalisation = { mean: [0.4, 0.5, 0.3], deviation: [0.2, 0.25, 0.3] };

function picture(shape: readonly number[]): Uint8Array {
  const draw = random(2, ...shape);
  return Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, () => draw.integer(0, 255));
}

function change(
  augmentation: Augmentation,
  shape: readonly number[],
  { seed = 1, epoch = 0, id = 5 } = {},
  pixels: Uint8Array | Float32Array = picture(shape),
): Float32Array {
  const into = new Float32Array(pixels.length + 3);
  const scale = scaleOf(shape, normalisation, pixels instanceof Uint8Array);
  augmenter(augmentation, shape, scale, seed, epoch)({ pixels, from: 0, id }, into, 3);
  return into.subarray(3);
}

function plain(shape: readonly number[]): Float32Array {
  const pixels = picture(shape);
  const into = new Float32Array(pixels.length);
  normaliseInto(pixels, 0, scaleOf(shape, normalisation, true), into, 0);
  return into;
}

test("the same seed, epoch and id give the same bits; another of them gives others", () => {
  const all: Augmentation = { ...augmentations.photographs, shift: 0.1, scale: 0.1, noise: 0.1, cutout: 0.2 };
  const first = change(all, [3, 12, 10]);
  assert.deepEqual(change(all, [3, 12, 10]), first);
  for (const other of [{ seed: 2 }, { epoch: 1 }, { id: 6 }]) assert.notDeepEqual(change(all, [3, 12, 10], other), first);
});

test("no change gives the normalised example", () => {
  assert.deepEqual(change({}, [3, 6, 5]), plain([3, 6, 5]));
  assert.deepEqual(change({ shift: 0, crop: 1, flip: [] }, [3, 6, 5]), plain([3, 6, 5]));
});

test("flips mirror exactly, each axis by itself, on 1, 2 and 3 axes", () => {
  for (const shape of [
    [3, 9],
    [3, 4, 5],
    [3, 2, 4, 3],
  ]) {
    for (let axis = 0; axis < shape.length - 1; axis++) {
      const original = plain(shape);
      const extent = shape[axis + 1];
      const inner = shape.slice(axis + 2).reduce((a, b) => a * b, 1);
      const mirrored = original.map((_, cell) => {
        const at = Math.floor(cell / inner) % extent;
        return original[cell + (extent - 1 - 2 * at) * inner];
      });
      const close = (a: Float32Array, b: Float32Array): boolean => a.every((value, cell) => Math.abs(value - b[cell]) < 1e-5);
      let flipped = 0;
      for (let id = 0; id < 60; id++) {
        const result = change({ flip: [axis] }, shape, { id });
        if (close(result, mirrored)) flipped++;
        else assert.ok(close(result, original), `axis ${axis} of ${shape}, id ${id}`);
      }
      assert.ok(flipped > 15 && flipped < 45, `${flipped} of 60 flipped`);
    }
  }
});

test("a quarter turn of the plane turns every channel", () => {
  const shape = [2, 3, 5, 5];
  const pixels = picture(shape);
  const into = new Float32Array(pixels.length);
  resampleAffine(pixels, 0, spaceOf(shape), { linear: [1, 0, -1, 1, 0], centre: [1, 2, 2], zeroFill: false }, into, 0);
  for (let plane = 0; plane < 6; plane++) {
    for (let y = 0; y < 5; y++)
      for (let x = 0; x < 5; x++) assert.equal(into[plane * 25 + y * 5 + x], pixels[plane * 25 + (4 - x) * 5 + y]);
  }
});

test("half a cell between two is their mean; outside is the nearest cell or zero", () => {
  const pixels = Uint8Array.from([10, 20, 40, 80]);
  const into = new Float32Array(4);
  const at = (centre: number, zeroFill: boolean): number[] => {
    resampleAffine(pixels, 0, spaceOf([1, 4]), { linear: [1, 1, 0, 0, 1], centre: [0, 0, 1.5 + centre], zeroFill }, into, 0);
    return [...into];
  };
  assert.deepEqual(at(0.5, false), [15, 30, 60, 80]);
  assert.deepEqual(at(0.5, true), [15, 30, 60, 40]);
  assert.deepEqual(at(-2, true), [0, 0, 10, 20]);
  assert.deepEqual(at(9, false), [80, 80, 80, 80]);
  const depth = new Float32Array(3);
  resampleAffine(
    Uint8Array.from([3, 6, 12]),
    0,
    spaceOf([1, 3, 1, 1]),
    { linear: [1, 1, 0, 0, 1], centre: [1.5, 0, 0], zeroFill: true },
    depth,
    0,
  );
  assert.deepEqual([...depth], [4.5, 9, 6]);
});

test("shift, rotation, scale and crop keep an even picture even, and stay inside it with edges repeated", () => {
  const even = new Uint8Array(3 * 16 * 16).fill(100);
  for (const option of [{ shift: 0.3 }, { rotate: 90 }, { scale: 0.5 }, { crop: 0.3 }] as const) {
    const result = change(option, [3, 16, 16], {}, even);
    result.forEach((value, cell) => {
      const channel = Math.floor(cell / 256);
      assert.ok(Math.abs(value - (100 / 255 - normalisation.mean[channel]) / normalisation.deviation[channel]) < 1e-5);
    });
  }
});

test("brightness and contrast move v within their range and keep its order", () => {
  const shape = [1, 1, 256];
  const ramp = Uint8Array.from({ length: 256 }, (_, cell) => cell);
  for (let id = 0; id < 40; id++) {
    const bright = change({ brightness: 0.2 }, shape, { id }, ramp).map((value) => value * 0.2 + 0.4);
    const added = bright[0];
    assert.ok(Math.abs(added) <= 0.2);
    assert.ok(bright.every((value, cell) => Math.abs(value - cell / 255 - added) < 1e-5));
    const contrast = change({ contrast: 0.5 }, shape, { id }, ramp).map((value) => value * 0.2 + 0.4);
    const slope = contrast[255] - contrast[0];
    assert.ok(slope >= 1 / 1.5 - 1e-5 && slope <= 1.5 + 1e-5);
    // the mean stays where it is
    assert.ok(Math.abs(contrast[102] - 0.4) < 1e-5);
  }
});

test("saturation leaves grey alone and moves colours away from it", () => {
  const grey = new Uint8Array(3 * 4).fill(90);
  const expected = change({}, [3, 2, 2], {}, grey);
  change({ saturation: 1 }, [3, 2, 2], {}, grey).forEach((value, cell) => {
    assert.ok(Math.abs(value - expected[cell]) < 1e-5);
  });
  const red = Uint8Array.from([200, 100, 100]);
  const spread = (id: number): number => {
    const [r, g] = change({ saturation: 1 }, [3, 1, 1], { id }, red);
    return (r * 0.2 + 0.4 - (g * 0.25 + 0.5)) * 2.55;
  };
  const spreads = Array.from({ length: 100 }, (_, id) => spread(id));
  assert.ok(Math.min(...spreads) >= 0.5 - 1e-4 && Math.min(...spreads) < 0.6);
  assert.ok(Math.max(...spreads) <= 2 + 1e-4 && Math.max(...spreads) > 1.7);
});

test("noise has mean 0 and the deviation asked for", () => {
  const zero = new Float32Array(100 * 100).fill(0.4);
  const result = change({ noise: 0.05 }, [1, 100, 100], {}, zero).map((value) => value * 0.2);
  const mean = result.reduce((sum, value) => sum + value, 0) / result.length;
  const deviation = Math.sqrt(result.reduce((sum, value) => sum + (value - mean) ** 2, 0) / result.length);
  assert.ok(Math.abs(mean) < 0.002, `mean ${mean}`);
  assert.ok(Math.abs(deviation - 0.05) < 0.002, `deviation ${deviation}`);
});

test("cutout sets one box to the mean", () => {
  const white = new Uint8Array(3 * 20 * 20).fill(255);
  let largest = 0;
  for (let id = 0; id < 50; id++) {
    const result = change({ cutout: 0.25 }, [3, 20, 20], { id }, white);
    const holes = result.filter((value) => value === 0).length / 3;
    assert.ok(holes >= 4 && holes <= 25, `${holes} cells`);
    largest = Math.max(largest, holes);
  }
  assert.equal(largest, 25);
});

test("text is read as options and presets, later ones win", () => {
  assert.deepEqual(parseAugmentation("flip,shift=0.1,rotate=15"), { flip: [1], shift: 0.1, rotate: 15 });
  assert.deepEqual(parseAugmentation("photographs, rotate=0 ,flip=both"), { ...augmentations.photographs, rotate: 0, flip: [0, 1] });
  assert.deepEqual(parseAugmentation("flip=0+2", 3), { flip: [0, 2] });
  assert.deepEqual(parseAugmentation(""), {});
  assert.equal(parseAugmentation("digits,none").rotate, undefined);
});

test("text that is not understood is refused, all at once", () => {
  assert.throws(() => parseAugmentation("flop,shift=a"), {
    message:
      "augment(flop,shift=a): part: expected one of none, digits, photographs, flip, shift, rotate, scale, crop, brightness, contrast, saturation, noise, cutout, fill; received flop.\n" +
      "augment(flop,shift=a): shift: expected a number from 0 to 1; received a.",
  });
  assert.throws(() => parseAugmentation("rotate=200"), {
    message: "augment(rotate=200): rotate: expected a number from 0 to 180; received 200.",
  });
  assert.throws(() => checkAugmentation({ flip: [2] }, 2), { message: "augment: flip: expected axes from 0 to 1; received [2]." });
  assert.throws(() => checkAugmentation({ rotate: 10 }, 1), {
    message: "augment: rotate: expected at least 2 axes to turn in; received 1.",
  });
});
