import { draw, pictures } from "../draw.ts";

// 9.16 to 9.18: w(x, y) = alpha exp(-betaX x'^2 - betaY y'^2) cos(f x' + phi), x' and y' turned by tau about (x0, y0)
interface Gabor {
  readonly alpha: number;
  readonly betaX: number;
  readonly betaY: number;
  readonly f: number;
  readonly phi: number;
  readonly x0: number;
  readonly y0: number;
  readonly tau: number;
}
const side = 25;
const plain: Gabor = { alpha: 1, betaX: 0.03, betaY: 0.015, f: 0.9, phi: 0, x0: 0, y0: 0, tau: 0 };
const grid = (value: (x: number, y: number) => number): number[] =>
  Array.from({ length: side * side }, (_, at) => value((at % side) - 12, 12 - Math.floor(at / side)));
const gabor = ({ alpha, betaX, betaY, f, phi, x0, y0, tau }: Gabor): number[] =>
  grid((x, y) => {
    const along = (x - x0) * Math.cos(tau) + (y - y0) * Math.sin(tau);
    const across = -(x - x0) * Math.sin(tau) + (y - y0) * Math.cos(tau);
    return alpha * Math.exp(-betaX * along ** 2 - betaY * across ** 2) * Math.cos(f * along + phi);
  });
const changes: Record<string, Partial<Gabor>> = {
  "as it is": {},
  "x0 = 5": { x0: 5 },
  "y0 = 5": { y0: 5 },
  "tau = 45 degrees": { tau: Math.PI / 4 },
  "betaX = 0.008": { betaX: 0.008 },
  "betaY = 0.1": { betaY: 0.1 },
  "f = 0.5": { f: 0.5 },
  "phi = 90 degrees": { phi: Math.PI / 2 },
  "alpha = -1": { alpha: -1 },
};
draw(
  "gabor",
  pictures(
    "A Gabor function, and what each of its eight parameters changes",
    Object.entries(changes).map(([caption, change]) => ({ caption, rows: side, columns: side, cells: gabor({ ...plain, ...change }) })),
    { side: 110, perRow: 3 },
  ),
);

// 9.15: a simple cell answers s(I) = sum of w I; 9.19: a complex cell the norm of two that are a quarter of a wave apart
const pair = [plain, { ...plain, phi: -Math.PI / 2 }].map(gabor);
const answer = (weights: readonly number[], image: readonly number[]): number => weights.reduce((sum, w, at) => sum + w * image[at], 0);
const complex = (image: readonly number[]): number => Math.hypot(...pair.map((weights) => answer(weights, image)));
console.log("a wave of the cell's own frequency, moved along:");
for (const degrees of [0, 45, 90, 135, 180]) {
  const image = grid((x) => Math.cos(plain.f * x + (degrees * Math.PI) / 180));
  console.log(
    `  by ${String(degrees).padStart(3)} degrees: simple cell ${answer(pair[0], image).toFixed(1).padStart(6)}, complex cell ${complex(image).toFixed(1)}`,
  );
}
console.log("the same wave turned:");
for (const degrees of [0, 15, 30, 90]) {
  const turn = (degrees * Math.PI) / 180;
  const image = grid((x, y) => Math.cos(plain.f * (x * Math.cos(turn) + y * Math.sin(turn))));
  console.log(`  by ${String(degrees).padStart(3)} degrees: complex cell ${complex(image).toFixed(1)}`);
}
