import { expect, it } from 'vitest'
import { createOffsetCommits } from '../../src/local/offset-commits.ts'
import type { GroupOffset } from '../../src/runtime/ports.ts'

const at = (partition: number, offset: number): GroupOffset => ({ topic: 'orders', partition, offset })

/** Requests that wait until somebody answers them, in order. */
const scene = () => {
  const requests: (readonly GroupOffset[])[] = []
  const answers: PromiseWithResolvers<void>[] = []
  const told: string[] = []
  const commits = createOffsetCommits(
    {
      commitGroupOffsets: (_group, offsets) => {
        requests.push(offsets)
        const answer = Promise.withResolvers<void>()
        answers.push(answer)
        return answer.promise
      },
    },
    'group',
    { settled: () => told.push('settled'), failure: (offsets, reason) => told.push(`${reason}: ${JSON.stringify(offsets)}`) },
  )
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return { commits, requests, answers, told, turn }
}

it('commits one request at a time, with the latest offset of each partition', async () => {
  const { commits, requests, answers, told, turn } = scene()
  commits.add([at(0, 1), at(1, 5)])
  commits.add([at(0, 2)])
  commits.add([at(0, 3), at(2, 7)])
  await turn()
  expect([requests, commits.done]).toEqual([[[at(0, 1), at(1, 5)]], false])
  answers[0]?.resolve()
  await turn()
  expect(requests.slice(1)).toEqual([[at(0, 3), at(2, 7)]])
  const settled = commits.settled()
  answers[1]?.resolve()
  await settled
  expect([commits.done, told]).toEqual([true, ['settled']])
})

it('tells of a commit that failed, and goes on with what came meanwhile', async () => {
  const { commits, requests, answers, told, turn } = scene()
  commits.add([at(0, 1)])
  commits.add([at(0, 2)])
  answers[0]?.reject(new Error('nobody answers'))
  await turn()
  expect([requests.slice(1), commits.done]).toEqual([[[at(0, 2)]], false])
  answers[1]?.resolve()
  await commits.settled()
  expect(told).toEqual([`nobody answers: ${JSON.stringify([at(0, 1)])}`, 'settled'])
})

it('has nothing to wait for before anything was added', async () => {
  const { commits } = scene()
  await commits.settled()
  expect(commits.done).toBe(true)
})
