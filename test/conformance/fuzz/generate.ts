import { areaScenario, describedGraph, textGraph } from './areas.ts'
import type { Draft } from './oracle.ts'
import { randomOf } from './random.ts'
import { wideGraph } from './wide.ts'

/** Scenario `index` of a seed: the same one, however many are made. */
export const scenarioOf = (seed: string, index: number): Draft => {
  const random = randomOf(`${seed}:${index}`)
  const name = `fuzz/${seed}/${index}`
  const share = random.next()
  if (share < 0.6) return wideGraph(random, name)
  if (share < 0.7) return textGraph(random, name)
  if (share < 0.92) return areaScenario(random, name)
  return describedGraph(random, name)
}
