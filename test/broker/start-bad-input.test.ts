import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CliResult, runCli } from '../cli/run-cli.ts'
import { endpoint, soon, useCluster } from './start-cluster.ts'

const fixtures = join(import.meta.dirname, '../cli/fixtures')

describe.skipIf(endpoint === null)('millrace start, given what cannot work', { timeout: 120_000 }, () => {
  const { brokers, ports, where, file, withTable } = useCluster()
  const sums = (args: readonly string[]): Promise<CliResult> => runCli(['start', 'sums', '--quiet', ...args], undefined, fixtures)
  const said = ({ code, stderr }: CliResult) => ({ code, stderr: stderr.trim().split('\n') })
  const positions = (applicationId: string): Promise<readonly (number | undefined)[]> =>
    withTable(applicationId, async (table) => {
      const items = await Promise.all([0, 1, 2, 3].map((partition) => table.readTask({ subTopology: 'amounts', partition }, soon())))
      return items.map((item) => item?.checkpoint?.positions.amounts)
    })
  const produce = async (partition: number, values: readonly Uint8Array[]): Promise<number> => {
    const session = await ports().txnLog.open({ transactionalId: 'somebody-else', transactionTimeoutMs: 30_000, deadlineMs: soon() })
    const records = values.map((value) => ({ key: Buffer.from('k'), value, timestamp: 1, headers: [] }))
    const [appended] = await session.append([{ topic: 'amounts', partition, records }], soon())
    await session.commit(soon())
    session.close()
    return appended?.baseOffset ?? -1
  }

  it('says which source topic does not exist, if it may not create it', async () => {
    expect(said(await sums([...where('missing'), '--create-topics', 'no']))).toEqual({
      code: 1,
      stderr: [
        'error: The topology reads topic "amounts", which does not exist',
        '  what to do: Create the topic, or correct its name in the topology.',
      ],
    })
  })

  it('stops at a record that its serde cannot read, names it, and loses nothing', async () => {
    const first = await sums(where('poison'))
    expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' })
    const before = await positions('poison')
    const long = Buffer.alloc(8, 0)
    const offset = await produce(3, [long, Buffer.from('12345')])
    expect(said(await sums(where('poison')))).toEqual({
      code: 1,
      stderr: [
        `error: Cannot read the value of amounts/3@${offset + 1} with the long serde: A long takes 8 bytes, got 5`,
        '  what to do: Check that the serde fits the bytes on the topic, or set a deserialization handler.',
      ],
    })
    expect(await positions('poison')).toEqual(before)
  })

  it('refuses a key that the table cannot hold, before anything is written', async () => {
    const words = await runCli([
      'start',
      'word-count',
      '--quiet',
      ...where('long-key'),
      '--input',
      file('long.txt', `short ${'x'.repeat(1_024)}\n`),
    ])
    expect({ code: words.code, stdout: words.stdout }).toEqual({ code: 1, stdout: '' })
    expect(words.stderr).toMatch(/^\s*error: .*store 'counts'.*a key of 1024 bytes; the limit is 1023 bytes/)
    const partition = Number(/task counts-repartition\/(\d)/.exec(words.stderr)?.[1])
    const [changelog] = await ports().reader.bounds([{ topic: 'long-key-counts-changelog', partition }], soon())
    expect(changelog?.highWatermark).toBe(0)
  })

  it('refuses a row that the table cannot hold, before anything is written', async () => {
    const input = file('large.jsonl', `${JSON.stringify({ key: 'k', value: 'x'.repeat(410 * 1024) })}\n`)
    const notes = await runCli(['start', 'notes', '--quiet', ...where('large-row'), '--input', input], undefined, fixtures)
    expect({ code: notes.code, stdout: notes.stdout }).toEqual({ code: 1, stdout: '' })
    expect(notes.stderr).toMatch(/^\s*error: .*store 'notebooks' of task notes\/\d: .*the limit is \d+ bytes/)
    const partitions = [0, 1, 2, 3].map((partition) => ({ topic: 'large-row-notebooks-changelog', partition }))
    const bounds = await ports().reader.bounds(partitions, soon())
    expect(bounds.map(({ highWatermark }) => highWatermark)).toEqual([0, 0, 0, 0])
  })

  it('says within seconds that nobody answers at the brokers, or at the table', async () => {
    const table = await sums(['--brokers', brokers(), '--table-endpoint', 'http://127.0.0.1:1'])
    expect(table.code).toBe(1)
    expect(table.stderr).toMatch(/error: table 'sums' at http:\/\/127\.0\.0\.1:1: no answer .*ECONNREFUSED/)
    const nobody = await sums(['--brokers', '127.0.0.1:1', '--table-endpoint', endpoint ?? '', '--application-id', 'nobody'])
    expect(nobody.code).toBe(1)
    expect(nobody.stderr).toMatch(/error: no broker answers Metadata: 127\.0\.0\.1:1: .*ECONNREFUSED/)
  })
})
