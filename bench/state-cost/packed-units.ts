export const pageBytes = 1024

/** Of a row of the benchmark's counts in a page: key, window and sequence, count and time, and four numbers. */
const rowBytes = 10 + 12 + 16 + 4

/** Write units of all pages of so many rows, and half a unit that each page does not fill. */
export const packedUnits = (rows: number): number => {
  const pages = (rows * rowBytes) / pageBytes
  return pages + 0.5 * 2 ** Math.round(Math.log2(pages))
}
