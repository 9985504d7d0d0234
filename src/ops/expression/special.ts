/**
 * Error function, float64: erf(x) = 2/sqrt(pi) integral of exp(-u^2) from 0 to x.
 * Source: Abramowitz and Stegun 1964, 7.1.6 (series of positive terms) for |x| < 2.5, and 1 - erfc beyond.
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) >= 2.5) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  const square = 2 * x * x;
  let term = 1;
  let sum = 1;
  for (let odd = 3; term > sum * 1e-18; odd += 2) {
    term *= square / odd;
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * x * Math.exp(-x * x) * sum;
}

/**
 * Complementary error function, float64: 1 - erf(x) without cancellation.
 * Source: Abramowitz and Stegun 1964, 7.1.14 (continued fraction) for x >= 1, and 1 - erf below.
 */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0) return 2 - erfc(-x);
  if (x < 1) return 1 - erf(x);
  if (x > 27.3) return 0;
  let fraction = x;
  for (let k = x < 2.5 ? 240 : 80; k >= 1; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
