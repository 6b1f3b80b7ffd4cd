import { describe, expect, it } from 'vitest'
import { missingIn } from '../support.ts'
import { verbsOf } from './fuzz.ts'
import { scenarioOf } from './generate.ts'

const scenarios = Array.from({ length: 300 }, (_, index) => scenarioOf('generator', index))

describe('random scenarios', () => {
  it('are the same for the same seed and number, whatever was made before', () => {
    expect(scenarioOf('generator', 299)).toEqual(scenarios[299])
    expect(scenarioOf('another', 299)).not.toEqual(scenarios[299])
  })

  it('are plain JSON', () => {
    expect(JSON.parse(JSON.stringify(scenarios))).toEqual(scenarios)
  })

  it('ask for nothing that we do not have', () => {
    const missing = scenarios.map((it) => missingIn({ ...it, expect: {} }))
    expect(missing.flatMap(({ verbs, features }) => [...verbs, ...features])).toEqual([])
  })

  it('use the verbs of all kinds', () => {
    const used = new Set(scenarios.flatMap(({ topology }) => verbsOf(topology)))
    const some = [
      'process',
      'suppress',
      'outerJoin',
      'fkJoin',
      'cogroup',
      'windowedBy',
      'emitStrategy',
      'globalTable',
      'addProcessor',
      'split',
    ]
    expect(some.filter((verb) => !used.has(verb))).toEqual([])
  })
})
