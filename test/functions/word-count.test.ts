import { describe, expect, it } from 'vitest'
import topology from '../../functions/word-count/topology.ts'
import { modes, runExample } from './run-example.ts'

describe.each([...modes, ['with partitions', { partitions: { lines: 3 } }]] as typeof modes)('word-count %s', (_name, options) => {
  it('counts words of any script, whatever their case, and takes the time of the line', async () => {
    const line = (value: string, timestamp: number) => ({ topic: 'lines', key: null, value, timestamp })
    const { 'word-counts': counts = [] } = await runExample(
      topology,
      [line('The mill, the RACE', 10), line('', 20), line('-- ?!', 30), line('Straße 7: the mill', 5)],
      options,
    )
    expect(counts.toSorted()).toEqual([
      '7: 1 @5',
      'mill: 1 @10',
      'mill: 2 @10',
      'race: 1 @10',
      'straße: 1 @5',
      'the: 1 @10',
      'the: 2 @10',
      'the: 3 @10',
    ])
  })
})
