import { describe, expect, it } from 'vitest'
import topology from '../../functions/late-readings/topology.ts'
import { hours } from '../../src/index.ts'
import { modes, runExample } from './run-example.ts'

/** When it arrives makes no difference: all come at once. */
const reading = (hour: number, magnitude: number, key = 'ci') => ({
  topic: 'readings',
  key,
  value: { place: 'here', magnitude, measuredMs: hours(hour) },
  timestamp: hours(99),
})
const written = (fromHour: number, value: object, hour: number, key = 'ci') =>
  `${JSON.stringify({ key, window: { startMs: hours(fromHour), endMs: hours(fromHour + 6) } })}: ${JSON.stringify(value)} @${hours(hour)}`

describe.each([...modes, ['with partitions', { partitions: { readings: 2 } }]] as typeof modes)('late readings %s', (_name, options) => {
  it('are counted within the grace period, and corrections of the final summary after it', async () => {
    const inputs = [
      reading(1, 2),
      reading(7, 3),
      // out of sequence, in time
      reading(2, 4),
      reading(8.9, 1),
      // closes the window of the first hours
      reading(9, 1),
      reading(3, 5),
      reading(4, 6),
      reading(20, 1),
      reading(5.5, 2),
      reading(8, 7),
    ]
    expect(await runExample(topology, inputs, options)).toEqual({
      summaries: [written(0, { readings: 2, strongest: 4 }, 2), written(6, { readings: 3, strongest: 3 }, 9)],
      corrections: [
        written(0, { readings: 1, strongest: 5 }, 3),
        written(0, { readings: 2, strongest: 6 }, 4),
        written(0, { readings: 3, strongest: 6 }, 5.5),
        written(6, { readings: 1, strongest: 7 }, 8),
      ],
    })
  })
})
