import { describe, expect, inject, it } from 'vitest'
import { failureLines } from '../conformance.ts'
import { fuzz } from './fuzz.ts'
import { startOracle } from './oracle.ts'

// runs where a real Kafka can: both need Java and Maven
describe.skipIf(inject('kafka') === null)('random scenarios, run by Java as well', () => {
  it('come out as in Kafka Streams', { timeout: 240_000 }, async () => {
    const oracle = startOracle()
    try {
      const failures: string[] = []
      let compared = 0
      for await (const { scenario, results } of fuzz(oracle, { seed: 'ci', from: 0, count: 200 })) {
        if (scenario) compared++
        failures.push(...results.filter(({ outcome }) => outcome === 'failed').flatMap(failureLines))
      }
      expect(failures).toEqual([])
      // few scenarios have no meaning in Java
      expect(compared).toBeGreaterThan(190)
    } finally {
      await oracle.close()
    }
  })
})
