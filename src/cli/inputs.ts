import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { messageOf, StreamsError } from '../errors.ts'
import type { InputRecord, LocalInput } from '../local/local-input.ts'
import { partitionOfKey } from '../runtime/partitioner.ts'
import type { SourceNode } from '../topology/nodes.ts'
import type { App } from './apps.ts'

/** A value as a file holds it: a line, or `{ key, value, timestamp }`. */
type Item = string | { readonly key?: unknown; readonly value?: unknown; readonly timestamp?: number }

export interface AppInput extends LocalInput {
  /** Where it comes from, for people. */
  readonly name: string
  /** If it is known beforehand. */
  readonly total?: number
}

/** The topics that others fill: the app itself writes none of them. */
export const feedableTopics = (topology: App['topology']): readonly string[] =>
  topology.sourceTopics.filter((topic) => !topology.sinkTopics.includes(topic))

/**
 * The user's files, `TOPIC=FILE` or `FILE`, which feeds the topic of its name or else the app's first one; topics that they leave
 * out get the file of the app's own `input/` that is named after the topic.
 */
export const inputsOf = async (app: App, given: readonly string[]): Promise<readonly AppInput[]> => {
  const [first] = feedableTopics(app.topology)
  if (first === undefined) throw new StreamsError('INPUT_INVALID', `${app.name} reads no topic`)
  const files = given.map((it) => inputOf(app, it, first))
  const named = new Set(files.map(({ topic }) => topic))
  const own = ownInputs(app).filter(({ topic }) => !named.has(topic))
  if (files.length + own.length === 0) {
    throw new StreamsError('INPUT_INVALID', `${app.name} has no input of its own`, {
      remedy: `Pass --input FILE, or add ${join('functions', app.name, 'input', `${first}.txt`)}`,
    })
  }
  return Promise.all([...files, ...own].map(({ topic, file }) => (file === '-' ? standardInput(app, topic) : fileInput(app, topic, file))))
}

interface InputFile {
  readonly topic: string
  /** `-` is standard input. */
  readonly file: string
}

const inputOf = ({ name, topology }: App, given: string, first: string): InputFile => {
  const [, topic, file] = /^([^=/]+)=(.+)$/.exec(given) ?? []
  if (topic === undefined || file === undefined) {
    const ofItsName = basename(given, extname(given))
    return { topic: topology.sourceTopics.includes(ofItsName) ? ofItsName : first, file: given }
  }
  if (topology.sourceTopics.includes(topic)) return { topic, file }
  throw new StreamsError('INPUT_INVALID', `${name} does not read topic ${topic}`, {
    remedy: `Feed one of: ${feedableTopics(topology).join(', ')}`,
  })
}

const ownInputs = ({ folder, topology }: App): readonly InputFile[] => {
  const input = join(folder, 'input')
  const names = statSync(input, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(input).sort() : []
  return names
    .map((name) => ({ topic: basename(name, extname(name)), file: join(input, name) }))
    .filter(({ topic }) => topology.sourceTopics.includes(topic))
}

const standardInput = (app: App, topic: string): AppInput => ({
  name: 'standard input',
  topic,
  records: encode(app, topic, { name: 'standard input', items: recordsOf(linesOf(process.stdin), sourceOf(app, topic)) }),
})

/** Lines that look like records of a .jsonl file are such, unless values are text. */
async function* recordsOf(lines: AsyncIterable<string>, { valueSerde }: SourceNode): AsyncGenerator<Item> {
  for await (const line of lines) yield valueSerde.name !== 'string' && looksLikeRecord(line) ? parse(line, 'standard input') : line
}

const looksLikeRecord = (line: string): boolean => {
  try {
    const names = Object.keys(JSON.parse(line))
    return names.includes('value') && names.every((name) => ['key', 'value', 'timestamp'].includes(name))
  } catch {
    return false
  }
}

/** The partition of an input record: by its key, else in turn. */
export const inputPartition =
  (partitions: number) =>
  (record: InputRecord, index: number): number =>
    record.key === null ? index % partitions : partitionOfKey(record.key, partitions)

const fileInput = async (app: App, topic: string, file: string): Promise<AppInput> => {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new StreamsError('INPUT_INVALID', `There is no file ${file}`, { remedy: 'Check the path after --input.' })
  }
  const items = extname(file) === '.ts' ? await moduleItems(file) : await fileItems(file)
  const hash = createHash('sha256').update(topic)
  for (const item of items) hash.update(typeof item === 'string' ? item : JSON.stringify(item)).update('\n')
  return {
    name: basename(file),
    topic,
    id: hash.digest('hex'),
    total: items.length,
    records: encode(app, topic, { name: basename(file), items }),
  }
}

const moduleItems = async (file: string): Promise<readonly Item[]> => {
  const module: { readonly default?: () => Iterable<Item> } = await import(pathToFileURL(file).href)
  if (typeof module.default !== 'function') throw new StreamsError('INPUT_INVALID', `${file} does not export a function by default`)
  return [...module.default()]
}

const fileItems = async (file: string): Promise<readonly Item[]> => {
  const items: Item[] = []
  const structured = extname(file) === '.jsonl'
  for await (const line of linesOf(createReadStream(file)))
    items.push(structured ? parse(line, `${basename(file)}:${items.length + 1}`) : line)
  return items
}

const linesOf = (input: NodeJS.ReadableStream): AsyncIterable<string> => createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })

const parse = (line: string, where: string): Exclude<Item, string> => {
  try {
    const item: unknown = JSON.parse(line)
    if (typeof item === 'object' && item !== null) return item
    throw new Error('it is no object')
  } catch (cause) {
    throw new StreamsError('INPUT_INVALID', `${where} is not a record: ${messageOf(cause)}`, {
      cause,
      remedy: 'Each line of a .jsonl file is an object such as {"key":"a","value":1}.',
    })
  }
}

async function* encode(
  app: App,
  topic: string,
  { name, items }: { readonly name: string; readonly items: Iterable<Item> | AsyncIterable<Item> },
): AsyncGenerator<InputRecord> {
  const source = sourceOf(app, topic)
  let line = 0
  for await (const item of items) {
    line++
    try {
      if (typeof item === 'string') yield { key: null, value: source.valueSerde.serialize(valueOfLine(item, source), topic) }
      else yield recordOf(item, source, topic)
    } catch (cause) {
      throw new StreamsError('INPUT_INVALID', `${name}:${line} does not fit topic ${topic}: ${messageOf(cause)}`, {
        cause,
        remedy: `Its value is written with the ${source.valueSerde.name} serde, its key with the ${source.keySerde.name} serde.`,
      })
    }
  }
}

/** A line of text is a string for the string serde and JSON for every other. */
const valueOfLine = (line: string, { valueSerde }: SourceNode): unknown => (valueSerde.name === 'string' ? line : JSON.parse(line))

const recordOf = ({ key, value, timestamp }: Exclude<Item, string>, { keySerde, valueSerde }: SourceNode, topic: string): InputRecord => ({
  key: key === undefined || key === null ? null : keySerde.serialize(key, topic),
  value: value === undefined || value === null ? null : valueSerde.serialize(value, topic),
  ...(timestamp === undefined ? {} : { timestamp }),
})

const sourceOf = ({ topology, name }: App, topic: string): SourceNode => {
  const source = topology.subTopologies.flatMap((sub) => sub.sources).find((it) => it.topics.some((ref) => ref.name === topic))
  if (source) return source
  throw new StreamsError('INPUT_INVALID', `${name} does not read topic ${topic}`)
}
