import { readFileSync } from 'node:fs'

/** Monthly prices of five companies from 2000 to 2010, the `stocks.csv` of vega-datasets (BSD-3-Clause), by date. */
export default () => {
  const [, ...lines] = readFileSync(new URL('../data/stocks.csv', import.meta.resolve('vega-datasets')), 'utf8')
    .trim()
    .split('\n')
  return lines
    .map((line) => {
      const [symbol, date, price] = line.trim().split(',')
      return { key: symbol, value: { price: Number(price) }, timestamp: Date.parse(`${date} UTC`) }
    })
    .sort((a, b) => a.timestamp - b.timestamp)
}
