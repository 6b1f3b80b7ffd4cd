import { readFileSync } from 'node:fs'

interface Feed {
  readonly features: readonly {
    readonly properties: {
      readonly net: string
      readonly mag: number | null
      readonly place: string
      readonly time: number
      readonly updated: number
    }
  }[]
}

/** A week of the world's earthquakes by network, in the order in which they were last looked at: `earthquakes.json` of vega-datasets (USGS, public domain). */
export default () => {
  const file = new URL('../data/earthquakes.json', import.meta.resolve('vega-datasets'))
  const { features }: Feed = JSON.parse(readFileSync(file, 'utf8'))
  return features
    .map(({ properties: { net, mag, place, time, updated } }) => ({
      key: net,
      value: { place, magnitude: mag ?? 0, measuredMs: time },
      timestamp: updated,
    }))
    .sort((a, b) => a.timestamp - b.timestamp)
}
