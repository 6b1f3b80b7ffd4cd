import { readFileSync } from 'node:fs'

/** Monthly prices of five companies from 2000 to 2010, the `stocks.csv` of vega-datasets (BSD-3-Clause), by date. */
export default () => {
  const [, ...lines] = readFileSync(new URL('../data/stocks.csv', import.meta.resolve('vega-datasets')), 'utf8')
    .trim()
    .split('\n')
  return lines
    .map((line) => {
      const [symbol, month, price] = line.trim().split(',')
      const timestamp = Date.parse(`${month} UTC`)
      return { key: symbol, value: { date: new Date(timestamp).toISOString().slice(0, 10), price: Number(price) }, timestamp }
    })
    .sort((a, b) => a.timestamp - b.timestamp)
}
