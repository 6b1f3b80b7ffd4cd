import type { AppName } from './apps.ts'
import { mutants } from './mutants.ts'
import { applyPatches } from './mutation.ts'

/** A process of its own for one mutant: `node mutant-run.ts NUMBER FROM SEEDS`. Prints what the first seed that finds it has found. */
const [number, from, seeds] = process.argv.slice(2).map(Number)
const mutant = mutants[number ?? -1]
if (mutant === undefined || from === undefined || seeds === undefined) throw new Error('which mutant, from which seed, how many?')
applyPatches(mutant.patches)
// only now: what is imported from here on is the mutant
const { simulate } = await import('./simulation.ts')
const { appOf } = await import('./campaign.ts')
let found: { readonly seed: number; readonly app: AppName; readonly invariant: string; readonly message: string } | null = null
for (let seed = from; found === null && seed < from + seeds; seed++) {
  const app = appOf(seed, mutant.apps ?? ['counting', 'windows'])
  const { violation } = await simulate({ app, seed: String(seed) })
  if (violation) found = { seed, app, ...violation }
}
console.log(JSON.stringify(found))
