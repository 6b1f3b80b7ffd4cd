import { describe, expect, it } from 'vitest'
import wordCount from '../../functions/word-count/topology.ts'
import { fetchOne } from '../adapters/kafka-harness.ts'
import { runCli, startCli } from '../cli/run-cli.ts'
import { endpoint, soon, useCluster } from './start-cluster.ts'

const partitions = 4
const lines = Array.from({ length: 6_000 }, (_, at) => `w${at % 7} w${at % 11} w${at % 97} w${at}`)
const countsOf = (all: readonly string[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const word of all.flatMap((line) => line.split(' '))) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

describe.skipIf(endpoint === null)('millrace reset on a real Kafka and a real table', { timeout: 240_000 }, () => {
  const { ports, where, file, withTable } = useCluster()
  const [store] = wordCount.subTopologies[1]?.stores ?? []
  const rowsOf = (applicationId: string, gen: number): Promise<Readonly<Record<string, number>>> =>
    withTable(applicationId, async (table) => {
      const counts: Record<string, number> = {}
      for (let partition = 0; partition < partitions; partition++)
        for await (const page of table.query({ subTopology: 'counts-repartition', partition, gen, store: 'counts' }, soon()))
          for (const { key, value } of page)
            counts[String(store?.keySerde.deserialize(key, ''))] = Number(store?.valueSerde.deserialize(value ?? Buffer.of(), ''))
      return counts
    })
  const ends = (topic: string) =>
    ports().reader.bounds(
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
      soon(),
    )
  /** The last count per word that the output topic has above these offsets. */
  const outputs = async (from: readonly number[]): Promise<Readonly<Record<string, number>>> => {
    const last: Record<string, number> = {}
    for (const { topic, partition, highWatermark } of await ends('word-counts'))
      for (let offset = from[partition] ?? 0; offset < highWatermark; ) {
        const answer = await fetchOne(ports().reader, { topic, partition }, offset, { waitMs: 100 })
        for (const { key, value } of answer.records)
          last[Buffer.from(key ?? []).toString()] = Number(Buffer.from(value ?? []).readBigInt64BE())
        offset = answer.nextOffset
      }
    return last
  }

  it('of a word count that runs: the old counts go, all is counted again and written again, and nothing hangs', async () => {
    const input = file('lines.txt', `${lines.join('\n')}\n`)
    const start = ['start', 'word-count', ...where('anew'), '--input', input]
    const running = startCli(start)
    let ended = false
    running.result.then(() => (ended = true))
    await running.seen(/lag|error/)
    const written = async () => (await ends('anew-counts-changelog')).reduce((sum, it) => sum + it.highWatermark, 0)
    while (!ended && (await written()) === 0);

    const done = await runCli(['reset', 'word-count', '--execute', ...where('anew')])
    expect({ code: done.code, stdout: done.stdout }).toEqual({
      code: 0,
      stdout: [
        'Done: 8 tasks are in generation 1. The next tick, within a minute, begins with what is to be read again.',
        'Records stay, and new ones are written behind them, in: word-counts\n',
      ].join('\n'),
    })
    const steps = done.stderr
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(' ')[0])
    expect(['paused', 'rewound', 'resumed'].map((step) => steps.filter((it) => it === step).length)).toEqual([8, 8, 8])
    const first = await running.result
    expect({ code: first.code, error: /error:.*/.exec(first.stderr)?.[0] }).toEqual({ code: 0, error: undefined })
    const settled = await runCli(start)
    expect(settled.code).toBe(0)
    expect(await rowsOf('anew', 1)).toEqual(countsOf(lines))
    expect(await outputs([])).toEqual(countsOf(lines))
  })

  it('first says what it would do, and does nothing; afterwards it reads again from where it was told to', async () => {
    const at = (await ends('word-counts')).map(({ highWatermark }) => highWatermark)
    const plan = await runCli(['reset', 'word-count', ...where('anew'), '--to-offset', 'lines:0:100'])
    expect(plan.code).toBe(0)
    const text = plan.stdout.replaceAll(/ {2,}/g, ' | ').split('\n')
    expect(text.slice(0, 3)).toEqual(['A reset to generation 2', '', ' | task | seq | gen | held | position'])
    expect(text.slice(4, 6)).toEqual([
      expect.stringMatching(/^ \| lines\/0 \| \d+ \| 1 \| lines [\d,]+ -> 100$/),
      expect.stringMatching(/^ \| lines\/1 \| \d+ \| 1 \| lines [\d,]+ -> 0$/),
    ])
    expect(text.slice(-4)).toEqual([
      expect.stringMatching(/^Records are deleted of: anew-counts-repartition\/0 below [\d,]+, /),
      'Records stay, and new ones are written behind them, in: word-counts',
      'Nothing was changed: this was a dry run. Do it with --execute',
      '',
    ])
    expect(await rowsOf('anew', 1)).toEqual(countsOf(lines))

    const done = await runCli(['reset', 'word-count', '--execute', ...where('anew'), '--to-latest'])
    expect(done.code).toBe(0)
    expect(done.stderr).toContain(`  deleted ${Object.keys(countsOf(lines)).length.toLocaleString('en-US')} rows of counts\n`)
    const more = ['w1 w2', 'w1']
    const { code } = await runCli(['start', 'word-count', ...where('anew'), '--input', file('more.txt', `${more.join('\n')}\n`)])
    expect(code).toBe(0)
    expect([await rowsOf('anew', 1), await rowsOf('anew', 2), await outputs(at)]).toEqual([{}, countsOf(more), countsOf(more)])
  })
})
