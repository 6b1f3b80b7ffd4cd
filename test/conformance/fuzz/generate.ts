import { areaScenario, describedGraph, textGraph } from './areas.ts'
import type { Draft } from './oracle.ts'
import { randomOf } from './random.ts'

/** Scenario `index` of a seed: the same one, however many are made. */
export const scenarioOf = (seed: string, index: number): Draft => {
  const random = randomOf(`${seed}:${index}`)
  const name = `fuzz/${seed}/${index}`
  const share = random.next()
  if (share < 0.4) return textGraph(random, name)
  if (share < 0.8) return areaScenario(random, name)
  return describedGraph(random, name)
}
