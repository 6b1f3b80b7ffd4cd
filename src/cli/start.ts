import { StreamsError } from '../errors.ts'
import type { LogEntry } from '../lambda/index.ts'
import { createLocalEngine, type LocalEngine } from '../local/local-engine.ts'
import { feedInput } from '../local/local-input.ts'
import { checkApplicationId } from '../topology/topology.ts'
import { type App, loadApp } from './apps.ts'
import { type ClusterOptions, type Connection, connect } from './connect.ts'
import { type AppInput, feedableTopics, inputPartition, inputsOf } from './inputs.ts'
import { count, showProgress } from './progress.ts'
import { flowTable, isBookkeeping, resultTables } from './report.ts'

export interface StartOptions extends ClusterOptions {
  readonly input?: readonly string[]
  readonly partitions: string
  readonly quiet?: boolean
  readonly createTopics?: string
}

/** `millrace start`: topics and table, the app's functions behind emulated event sources, its input, and what came of it. */
export const start = async (name: string, options: StartOptions): Promise<void> => {
  const app = await loadApp(name)
  const applicationId = checkApplicationId(options.applicationId ?? app.name)
  const connection = await connect(options, applicationId)
  try {
    const inputs = await inputsOf(app, options.input ?? [])
    const engine = createLocalEngine({
      topology: app.topology,
      applicationId,
      adapters: connection,
      partitions: partitionsOf(options.partitions),
      createUserTopics: options.createTopics !== 'no',
      log: reportTrouble(process.stderr),
    })
    if (!options.quiet) process.stderr.write(`${app.name} as ${applicationId} on ${connection.description}\n${inputsText(inputs)}`)
    await engine.open()
    try {
      await run({ app, applicationId, engine, inputs, connection, quiet: options.quiet ?? false })
    } finally {
      await engine.stop()
    }
  } finally {
    await connection.close()
  }
}

/** What is tried again is said once in a while: the run goes on when the trouble is over. */
const reportTrouble = (output: NodeJS.WriteStream): ((entry: LogEntry) => void) => {
  const saidMs = new Map<string, number>()
  return ({ level, message, retryable }) => {
    const nowMs = performance.now()
    if (level !== 'error' || retryable === false || nowMs - (saidMs.get(message) ?? Number.NEGATIVE_INFINITY) < 5_000) return
    saidMs.set(message, nowMs)
    // On a terminal it takes the place of the bar, which is drawn again below it.
    output.write(`${output.isTTY ? '\r\x1b[K' : ''}  trying again: ${message}\n`)
  }
}

interface Run {
  readonly app: App
  readonly applicationId: string
  readonly engine: LocalEngine
  readonly inputs: readonly AppInput[]
  readonly connection: Connection
  readonly quiet: boolean
}

const run = async ({ app, applicationId, engine, inputs, connection, quiet }: Run): Promise<void> => {
  const startMs = performance.now()
  const totals = inputs.map((input) => input.total)
  const total = totals.every((it) => it !== undefined) ? totals.reduce((sum, it) => sum + it, 0) : undefined
  const progress = quiet ? undefined : showProgress(engine, { total, topics: inputs.map((input) => input.topic) }, process.stderr)
  const interrupt = (): never => {
    progress?.end()
    process.stderr.write(`\nInterrupted.${connection.embedded ? '' : ' Nothing is lost: the same command goes on where this run ended.'}\n`)
    process.exit(130)
  }
  process.once('SIGINT', interrupt)
  const fed = new Map<AppInput, number>()
  try {
    const feed = async (input: AppInput): Promise<void> => {
      const partitions = engine.partitionsOf(input.topic)
      const onFed = (records: number): void => {
        fed.set(input, records)
        progress?.fed([...fed.values()].reduce((sum, it) => sum + it, 0))
      }
      await feedInput(input, { kafka: connection.kafka, partitionOf: inputPartition(partitions), onFed })
    }
    // records of several topics meet by their times, not by which of them was fed first
    if (inputs.length > 1 && total !== undefined) await Promise.all(inputs.map(feed))
    await engine.start()
    if (inputs.length === 1 || total === undefined) await Promise.race([Promise.all(inputs.map(feed)), engine.failed])
    await engine.drained()
  } finally {
    process.off('SIGINT', interrupt)
    progress?.end()
  }
  const seconds = (performance.now() - startMs) / 1000
  const records = engine.stats().reduce((sum, it) => sum + it.recordsRead, 0)
  const { requests, rowsRead, rowsWritten } = connection.table.metrics
  process.stdout.write(
    [
      '',
      await resultTables(app, { engine, table: connection.table, reader: connection.kafka.reader, applicationId }),
      '',
      flowTable(engine),
      '',
      `${count(records)} records in ${seconds.toFixed(1)} s (${count(Math.round(records / seconds))} records/s); table: ${count(requests)} requests, ${count(rowsWritten)} rows written, ${count(rowsRead)} rows read`,
      '',
      nextSteps(app, applicationId, connection),
      '',
    ].join('\n'),
  )
}

const nextSteps = ({ name, topology }: App, applicationId: string, { embedded }: Connection): string => {
  const stores = topology.subTopologies.flatMap((sub) => sub.stores)
  const store = stores.find((it) => it.kind === 'key-value' && !isBookkeeping(it))?.name
  const run = `npm start -- ${name} --brokers HOST:PORT --table-endpoint URL`
  if (embedded) {
    return [
      'The embedded table is gone with this process. With a real Kafka and table it stays:',
      `  ${run}`,
      ...(store === undefined
        ? []
        : ['and a key of it is read with', `  npx millrace query ${name} ${store} KEY --brokers HOST:PORT --table-endpoint URL`]),
      'Other things to try:',
      ...aligned([
        [`npm start -- ${name} --input ${feedableTopics(topology).length > 1 ? 'TOPIC=FILE' : 'FILE'}`, 'your own lines'],
        [`npx millrace describe ${name}`, 'the topology'],
      ]),
    ].join('\n')
  }
  return [
    ...(store === undefined
      ? []
      : [
          'Read a key of the table:',
          `  npx millrace query ${name} ${store} KEY --application-id ${applicationId} --brokers ... --table-endpoint ...`,
        ]),
    'The same command again goes on where this run ended.',
  ].join('\n')
}

const aligned = (rows: readonly (readonly [command: string, what: string])[]): readonly string[] => {
  const width = Math.max(...rows.map(([command]) => command.length))
  return rows.map(([command, what]) => `  ${command.padEnd(width)}    ${what}`)
}

/** Which file feeds which topic, where there are several. */
const inputsText = (inputs: readonly AppInput[]): string =>
  inputs.length < 2 ? '' : `input: ${inputs.map(({ topic, name }) => `${topic} from ${name}`).join(', ')}\n`

const partitionsOf = (text: string): number => {
  const partitions = Number(text)
  if (Number.isInteger(partitions) && partitions > 0) return partitions
  throw new StreamsError('CONFIG_INVALID', `--partitions takes a positive number, not "${text}"`)
}
