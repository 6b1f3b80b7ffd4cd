import { type Admin, ConfigResourceTypes, Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import { bytesOf, readTo, soon, textOf, unique } from '../adapters/kafka-harness.ts'
import type { Cdk, CdkRun } from './cdk.ts'
import { type DeployedChain, startChain } from './deployed-chain.ts'
import { type DeploymentScene, startDeploymentScene } from './deployment-scene.ts'
import { type VersionName, versions } from './fixtures/versions.ts'
import { type Inventory, type LocalAws, missingLocalAws } from './local-aws.ts'

const dynamodb = inject('dynamodb')
const missing = dynamodb === null ? undefined : missingLocalAws()
const minutes = (count: number) => ({ timeout: count * 60_000 })

/** One stack from its first deployment to its end: each test goes on where the one before it has stopped. */
const lifeOfAStack = () => {
  let scene: DeploymentScene
  let aws: LocalAws
  let user: KafkaPorts
  let chain: DeployedChain | undefined
  /** Of every word that was ever counted. */
  const counts: Record<string, number> = {}

  beforeAll(async () => {
    scene = await startDeploymentScene(dynamodb ?? '')
    ;({ aws, user } = scene)
  })
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() =>
      console.info(
        aws.logs
          .slice(-20)
          .map(({ name, line }) => `${name} ${line}`)
          .join('\n'),
      ),
    )
  })
  afterAll(async () => {
    await chain?.stop()
    await scene?.stop()
  })

  const cdk = (version: VersionName = 'first'): Cdk => scene.cdk(version)
  const deploy = (version: VersionName): Promise<CdkRun> => cdk(version).run('deploy', '--require-approval', 'never')
  const connect = async (): Promise<DeployedChain> => {
    chain = await startChain({ aws, dynamodb: dynamodb ?? '', certificate: scene.certificate })
    return chain
  }

  /** Deploys a version that is taken, and goes on with it. */
  const update = async (version: VersionName): Promise<void> => {
    await chain?.stop()
    expect(await deploy(version)).toMatchObject({ status: 0 })
    expect((await aws.inventory()).stacks.Words).toMatchObject({ status: 'UPDATE_COMPLETE', reasons: [] })
    await connect()
  }

  /** Deploys a version that is refused: why, and that everything is as it was. */
  const refused = async (version: VersionName): Promise<string> => {
    const before = await aws.inventory()
    const { status, output } = await deploy(version)
    const after = await aws.inventory()
    const [reason = ''] = after.stacks.Words?.reasons ?? []
    expect({ status, state: after.stacks.Words?.status, found: after.found }).toEqual({
      ...{ status: 1, state: 'UPDATE_ROLLBACK_COMPLETE', found: before.found },
    })
    expect(oneLine(output)).toContain(messageIn(reason))
    return messageIn(reason)
  }

  const write = async (topic: string, lines: readonly string[]): Promise<void> => {
    const session = await user.txnLog.open({ transactionalId: unique('user'), transactionTimeoutMs: 30_000, deadlineMs: soon() })
    const records = lines.map((line) => ({ key: null, value: bytesOf(line), timestamp: Date.now(), headers: [] }))
    const half = Math.ceil(records.length / 2)
    const batches = [records.slice(0, half), records.slice(half)].map((part, partition) => ({ topic, partition, records: part }))
    await session.append(
      batches.filter((batch) => batch.records.length > 0),
      soon(),
    )
    await session.commit(soon())
    session.close()
  }

  /** Lets the deployed version process the lines, and holds its outputs against a count by hand. */
  const counted = async (version: VersionName, lines: readonly string[]): Promise<void> => {
    for (const word of wordsOf(version, lines)) counts[word] = (counts[word] ?? 0) + 1
    await chain?.drained()
    const written = await outputsOf('word-counts')
    expect(lastOf(written)).toEqual(counts)
    // A count that comes twice, or goes back, was processed twice.
    expect(written).toEqual(mapValues(written, (numbers) => [...new Set(numbers)].sort((one, other) => one - other)))
  }

  const count = async (version: VersionName, lines: readonly string[], topic = 'lines'): Promise<void> => {
    await write(topic, lines)
    await counted(version, lines)
  }

  /** What a person does to topics. */
  const asUser = async (change: (admin: Admin) => Promise<unknown>): Promise<void> => {
    const admin = new Kafka({ brokers: [...scene.kafka.bootstrap], logLevel: logLevel.NOTHING }).admin()
    await change(admin)
    await admin.disconnect()
  }

  /** How often each task has said that a second has passed. */
  const secondsOf = async (): Promise<Record<string, number>> => {
    const found: Record<string, number> = {}
    for (const partition of [0, 1]) {
      const [bounds] = await user.reader.bounds([{ topic: 'seconds', partition }], soon())
      for (const { key } of await readTo(user.reader, { topic: 'seconds', partition }, bounds?.highWatermark ?? 0)) {
        const task = textOf(key) ?? ''
        found[task] = (found[task] ?? 0) + 1
      }
    }
    return Object.fromEntries(Object.entries(found).sort())
  }

  /** All that was written to a topic, by word, in its order. */
  const outputsOf = async (topic: string): Promise<Record<string, readonly number[]>> => {
    const found: Record<string, readonly number[]> = {}
    for (const partition of [0, 1]) {
      const [bounds] = await user.reader.bounds([{ topic, partition }], soon())
      for (const { key, value } of await readTo(user.reader, { topic, partition }, bounds?.highWatermark ?? 0)) {
        const view = new DataView(value?.buffer ?? new ArrayBuffer(0), value?.byteOffset)
        const number = value?.length === 8 ? Number(view.getBigInt64(0)) : view.getInt32(0)
        const word = textOf(key) ?? ''
        found[word] = [...(found[word] ?? []), number]
      }
    }
    return found
  }

  test('begins with `cdk bootstrap`', minutes(3), async () => {
    expect(await cdk().run('bootstrap')).toMatchObject({ status: 0 })
    const inventory = await aws.inventory()
    expect(Object.keys(inventory.stacks)).toEqual(['CDKToolkit'])
    expect(inventory.found).toEqual(foundOf(inventory))
  })

  test('is refused while topics of the user are missing, and leaves nothing behind', minutes(3), async () => {
    const before = await aws.inventory()
    const { status, output } = await deploy('first')
    const { stacks, found } = await aws.inventory()
    expect({ status, state: stacks.Words?.status, found }).toEqual({ status: 1, state: 'ROLLBACK_COMPLETE', found: before.found })
    const what = 'The application "words" uses topics that do not exist: lines, seconds, word-counts, word-letters.'
    const message = `${notInPlace} ${what} Create the topic, or correct its name in the topology.`
    expect(oneLine(output)).toContain(message)
    expect(await user.admin.list('words-', soon())).toEqual([])
  })

  test('has all resources of its template, and no other', minutes(3), async () => {
    const topics = ['lines', 'more-lines', 'seconds', 'word-counts', 'word-letters'].map((topic) => ({ topic, partitions: 2, config: {} }))
    await user.admin.create(topics, soon())
    expect(await deploy('first')).toMatchObject({ status: 0 })
    const inventory = await aws.inventory()
    const { stacks, found } = inventory
    const { Resources } = cdk().template('Words')
    expect(stacks.Words).toMatchObject({ status: 'CREATE_COMPLETE', reasons: [] })
    expect(mapValues(stacks.Words?.resources ?? {}, ([type]) => type)).toEqual(mapValues(Resources, ({ Type }) => Type))
    expect(found).toEqual(foundOf(inventory))
    expect(await user.admin.list('words-', soon())).toEqual(
      ['by-word-repartition', 'by-word-repartition-commits', 'counts-changelog', 'letters-changelog', 'lines-commits'].map((name) => ({
        ...{ topic: `words-${name}`, partitions: 2 },
      })),
    )
  })

  test('counts words from its topics to its topics, with nothing set but what is deployed', minutes(2), async () => {
    await connect()
    await count('first', ['To be, or not to be', 'that is the question', 'to be'])
    await count('first', ['to sleep no more'])
  })

  test('does what is due by the clock at a tick, with no input', minutes(2), async () => {
    const before = await secondsOf()
    const later = async () => {
      const answers = Object.values((await chain?.tick()) ?? {}).map(({ payload }) => payload)
      expect(new Set(answers)).toEqual(new Set(['{"batchItemFailures":[]}']))
      const now = await secondsOf()
      return ['0_0', '0_1'].filter((task) => (now[task] ?? 0) > (before[task] ?? 0))
    }
    await expect.poll(later, { timeout: 60_000 }).toEqual(['0_0', '0_1'])
  })

  test('answers with what it has counted', minutes(2), async () => {
    for (const [word, value] of Object.entries(counts)) {
      const answer = { store: 'counts', key: word, value, timestamp: expect.any(String), seq: expect.any(Number) }
      expect(await chain?.ask(`/stores/counts/${word}`)).toEqual({ status: 200, answer })
    }
    expect(await chain?.ask('/stores/counts/nymph')).toEqual({ status: 404, answer: expect.objectContaining({ key: 'nymph' }) })
  })

  test('goes on with its counts when the code changes', minutes(3), async () => {
    await update('changed-code')
    await count('changed-code', ['to be or not to sleep', speech])
  })

  test('goes on when a store is removed, and keeps its changelog', minutes(3), async () => {
    const letters = lastOf(await outputsOf('word-letters'))
    await update('removed-store')
    await count('removed-store', ['perchance to dream', speech])
    expect(lastOf(await outputsOf('word-letters'))).toEqual(letters)
    expect(await user.admin.list('words-letters', soon())).toEqual([{ topic: 'words-letters-changelog', partitions: 2 }])
  })

  test('fills a store that is added from then on', minutes(3), async () => {
    const letters = lastOf(await outputsOf('word-letters'))
    await update('added-store')
    await count('added-store', [speech, 'perchance more sleep'])
    const own = mapValues(
      Object.groupBy(wordsOf('added-store', [speech, 'perchance more sleep']), (word) => word),
      (words) => words?.join(''),
    )
    expect(lastOf(await outputsOf('word-letters'))).toEqual({ ...letters, ...mapValues(own, (text) => text?.length) })
  })

  test('stands still where code without the new store is deployed again, until the newer code is', minutes(4), async () => {
    const before = aws.logs.length
    await update('removed-store')
    const written = await outputsOf('word-counts')
    await write('lines', [speech])
    const refusing = () => aws.logs.slice(before).flatMap(({ line }) => refusedTaskIn(line))
    await expect
      .poll(() => [...new Set(refusing())].sort(), { timeout: 60_000 })
      .toEqual(['by-word-repartition/0', 'by-word-repartition/1'])
    expect(await outputsOf('word-counts')).toEqual(written)
    await update('added-store')
    await counted('added-store', [speech])
  })

  test('reads a source topic that is added from its beginning', minutes(3), async () => {
    await update('added-source')
    await count('added-source', ['there is the rub'], 'more-lines')
    await count('added-source', ['the rub'])
  })

  test('leaves everything as it is where nothing changes', minutes(3), async () => {
    const resources = async () => {
      const { stacks, found } = await aws.inventory()
      return { stacks, found }
    }
    const [before, invoked] = [await resources(), aws.invocations.length]
    const { status, output } = await deploy('added-source')
    expect({ status, said: output.includes('Words (no changes)'), after: await resources() }).toEqual({
      ...{ status: 0, said: true, after: before },
    })
    expect(aws.invocations.length).toBe(invoked)
  })

  test('refuses a source topic that is not there, and the old version goes on', minutes(3), async () => {
    const what = 'The application "words" uses topics that do not exist: no-lines.'
    expect(await refused('missing-source')).toBe(`${notInPlace} ${what} Create the topic, or correct its name in the topology.`)
    await count('added-source', ['ay there is the rub'])
  })

  test('refuses another name of a sub-topology, and the old version goes on', minutes(3), async () => {
    const read = 'Sub-topology "more-lines" is new, but "lines", which is no more, has read more-lines/N up to N: it was renamed.'
    const keep = 'Keep the name: "lines" must be its first source topic.'
    const begin = 'Or let the old code finish its input, then say with the new code where to begin: millrace reset (docs/operations.md).'
    expect((await refused('renamed')).replace(/\/\d+ up to \d+/, '/N up to N')).toBe(`${notInPlace} ${read} ${keep} ${begin}`)
    await count('added-source', ['what dreams may come'])
  })

  test('refuses new code while an internal topic would lose records, and the old version goes on', minutes(3), async () => {
    const topic = 'words-lines-commits'
    const set = (policy: string) =>
      asUser(({ alterConfigs }) => {
        const configEntries = [{ name: 'cleanup.policy', value: policy }]
        return alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }], validateOnly: false })
      })
    await set('delete')
    const what = `topic ${topic} has cleanup.policy=delete and needs cleanup.policy=compact: the last record of a key would be deleted with its age.`
    const command = `kafka-configs.sh --bootstrap-server BROKERS --alter --entity-type topics --entity-name ${topic} --add-config cleanup.policy=compact`
    expect(await refused('all-words')).toBe(`${notInPlace} ${what} Correct the settings: ${command}`)
    await set('compact')
    await count('added-source', ['what dreams may come'])
  })

  test('leaves its table and its topics behind when it is destroyed', minutes(3), async () => {
    await chain?.stop()
    const before = await aws.inventory()
    const topics = await user.admin.list('words-', soon())
    expect(await cdk('added-source').run('destroy', '--force')).toMatchObject({ status: 0 })
    const after = await aws.inventory()
    expect(Object.keys(after.stacks)).toEqual(['CDKToolkit'])
    const tables = before.found['AWS::DynamoDB::GlobalTable'] ?? []
    expect(after.found).toEqual({ ...foundOf(after), 'AWS::DynamoDB::GlobalTable': tables })
    expect(tables).toHaveLength(1)
    expect(await user.admin.list('words-', soon())).toEqual(topics)
  })

  test('goes on with its counts when it is deployed once more: a new table is filled from the changelogs', minutes(3), async () => {
    expect(await deploy('added-source')).toMatchObject({ status: 0 })
    const { stacks, found } = await aws.inventory()
    expect(stacks.Words).toMatchObject({ status: 'CREATE_COMPLETE', reasons: [] })
    expect(found['AWS::DynamoDB::GlobalTable']).toHaveLength(2)
    await connect()
    // Something for every task: one that nobody invokes has no item in the new table yet.
    await count('added-source', [speech, speech])
  })

  test('refuses new code once a topic of the user has more partitions, and the old version goes on', minutes(3), async () => {
    await asUser(({ createPartitions }) => createPartitions({ topicPartitions: [{ topic: 'lines', count: 3 }] }))
    const what = 'topic words-lines-commits has 2 partitions and 3 were asked for.'
    const why = 'A topic that the application reads has another number of partitions than before: its keys are in other tasks now.'
    const remedy = 'Delete the internal topics of the application, deploy, and begin anew: millrace reset (docs/operations.md).'
    expect(await refused('all-words')).toBe(`${notInPlace} ${what} ${why} ${remedy}`)
    await count('added-source', ['must give us pause'])
  })
}

/** What the services must have, and nothing else, where these stacks are all that there is. */
const foundOf = ({ stacks, found }: Inventory): Inventory['found'] => {
  const resources = Object.values(stacks).flatMap((stack) => Object.values(stack.resources))
  const ofType = (type: string) => resources.flatMap(([it, id]) => (it === type ? [id] : [])).sort()
  return Object.fromEntries(Object.keys(found).map((type) => [type, ofType(type)]))
}

/** Words for every partition. */
const speech = 'perchance dream what dreams may come when have shuffled off this mortal coil'

const notInPlace = 'The internal topics of "words" are not in place.'

const mapValues = <T, R>(values: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]))

const lastOf = (written: Readonly<Record<string, readonly number[]>>) => mapValues(written, (numbers) => numbers.at(-1))

const wordsOf = (version: VersionName, lines: readonly string[]): readonly string[] =>
  lines.flatMap((line) => line.toLowerCase().match(/[a-z]+/g) ?? []).filter((word) => word.length >= versions[version].lettersMin)

/** The task for which a function has logged that newer code is at work. */
const refusedTaskIn = (line: string): readonly string[] => {
  const [, subTopology, partition] = /"code":"TOPOLOGY_MISMATCH".*"subTopology":"([^"]+)","partition":(\d+)/.exec(line) ?? []
  return subTopology === undefined ? [] : [`${subTopology}/${partition}`]
}

/** What the handler has said, without the provider framework's words around it. */
const messageIn = (reason: string): string => /The internal topics of .*/.exec(reason)?.[0] ?? reason

/** The command line breaks long messages. */
const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ')

if (missing === undefined) describe.skipIf(dynamodb === null)('a stack on the local AWS', lifeOfAStack)
else {
  test('a stack on the local AWS', ({ task, skip }) => {
    if (missing.prerequisite) Object.assign(task.meta, { missing: missing.what })
    skip(`${missing.what} is missing here`)
  })
}
