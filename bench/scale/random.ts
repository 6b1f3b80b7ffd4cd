import { randomOf } from '../../test/conformance/fuzz/random.ts'

/** Numbers from 0 to below 1 that follow from a seed. */
export const fractionsOf = (seed: string): (() => number) => {
  const random = randomOf(seed)
  return () => random.int(2 ** 30) / 2 ** 30
}

/** Of a normal distribution, the distance of its 99th percentile from its middle. */
const z99 = 2.3263

/** Log-normal times with these percentiles, in milliseconds. */
export const logNormal = (random: () => number, { p50Ms, p99Ms }: { readonly p50Ms: number; readonly p99Ms: number }): (() => number) => {
  const sigma = Math.log(p99Ms / p50Ms) / z99
  return () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return p50Ms * Math.exp(sigma * normal)
  }
}

/** Which of `count` things comes next: each as likely as the other, or by Zipf's law with exponent 1, the first one most often. */
export const pickers = {
  uniform:
    (random: () => number, count: number): (() => number) =>
    () =>
      Math.floor(random() * count),
  // the law's sum is taken for its integral: P(k) is about 1 / k
  zipf:
    (random: () => number, count: number): (() => number) =>
    () =>
      Math.min(count, Math.floor((count + 1) ** random())) - 1,
} as const
