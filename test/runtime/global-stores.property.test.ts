import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Around, died } from './faults.ts'
import { accumulated, globalScene } from './global-scene.ts'

/** `at`: at which call of a port the process dies, if it comes so far, and whether the call is done by then. */
type Death = readonly [at: number, when: 'before' | 'after'] | null

type Step =
  | { readonly do: 'product'; readonly key: 'tea' | 'milk' }
  | { readonly do: 'order'; readonly key: 'tea' | 'milk' }
  | { readonly do: 'materialise'; readonly death: Death }
  | { readonly do: 'read'; readonly process: number; readonly death: Death }

const key = fc.constantFrom('tea' as const, 'milk' as const)
const death: fc.Arbitrary<Death> = fc.option(fc.tuple(fc.nat(14), fc.constantFrom('before' as const, 'after' as const)))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('product' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('order' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('materialise' as const), death }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), process: fc.nat(1), death }) },
)

/** Dies at the nth call: nothing is sent any more. */
const dying = ([at, when]: NonNullable<Death>): Around => {
  let calls = 0
  let isDead = false
  return async (_call, go) => {
    if (isDead) throw new Error(died)
    if (calls++ !== at) return go()
    isDead = true
    if (when === 'after') await go()
    throw new Error(died)
  }
}

it('a reader sees each record of the global topic once, all that were there when it began, whoever dies', { timeout: 60_000 }, async () => {
  let seen = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const it = await globalScene(accumulated())
      const texts = { tea: '', milk: '' }
      const least: { readonly key: 'tea' | 'milk'; readonly text: string }[] = []
      const processes = [it.newProcess(), it.newProcess()]
      let letter = 0
      const tried = async (run: () => Promise<unknown>): Promise<void> => {
        await run().catch(() => undefined)
        // whatever it left behind, a lease or a transaction, runs out
        it.clock.nowMs += 200_000
      }
      for (const at of [...steps, { do: 'materialise', death: null } as const, { do: 'read', process: 0, death: null } as const]) {
        if (at.do === 'product') {
          const text = String.fromCharCode(97 + letter++)
          texts[at.key] += text
          it.product(at.key, text)
        } else if (at.do === 'order') {
          least.push({ key: at.key, text: texts[at.key] })
          it.order(at.key)
        } else if (at.do === 'materialise') await tried(() => it.materialise(0, at.death ? dying(at.death) : undefined))
        else {
          const process = processes[at.process] ?? it.newProcess()
          await tried(() => it.read(process, at.death ? dying(at.death) : undefined))
          // its memory died with it
          if (at.death) processes[at.process] = it.newProcess()
        }
      }
      const titles = (await it.titles()).map((title) => (title === 'null' ? '' : `${title}`))
      expect(titles).toHaveLength(least.length)
      for (const [index, { key, text }] of least.entries()) {
        const title = titles[index] ?? ''
        expect([title, texts[key].startsWith(title), title.length >= text.length]).toEqual([title, true, true])
        seen++
      }
    }),
    { seed: 73, numRuns: 1_000 },
  )
  expect(seen).toBeGreaterThan(1_000)
})
