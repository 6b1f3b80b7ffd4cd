import type { StandardSchemaV1 } from '@standard-schema/spec'
import { StreamsError } from '../errors.ts'
import { list } from './list.ts'
import { double, float, integer, long, longAsBigint, short } from './numbers.ts'
import { keyId, type Serde, toBuffer } from './serde.ts'
import { readText, writeText } from './text.ts'
import { sessionWindowed, timeWindowed } from './windowed.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: all that are no ASCII
const beyondAscii = /[^\x00-\x7f]/

const string: Serde<string> = Object.freeze({
  name: 'string',
  serialize: (value: string) => {
    if (typeof value !== 'string') throw wrongType('string', value)
    return Buffer.from(value, 'utf8')
  },
  deserialize: (bytes: Uint8Array) => readText(toBuffer(bytes), 0, bytes.length),
  deserializeFrom: readText,
  serializeInto: (value: string, out: Buffer, at: number) => {
    if (typeof value !== 'string') throw wrongType('string', value)
    return writeText(value, out, at)
  },
  // a character up to 127 is its own byte
  idOf: (value: string) => (typeof value === 'string' && !beyondAscii.test(value) ? value : keyId(string.serialize(value, ''))),
})

const bytes: Serde<Uint8Array> = Object.freeze({
  name: 'bytes',
  serialize: (value: Uint8Array) => {
    if (!(value instanceof Uint8Array)) throw wrongType('bytes', value)
    return value
  },
  deserialize: (value: Uint8Array) => value,
})

const boolean: Serde<boolean> = Object.freeze({
  name: 'boolean',
  serialize: (value: boolean) => {
    if (typeof value !== 'boolean') throw wrongType('boolean', value)
    return Buffer.from([value ? 1 : 0])
  },
  deserialize: (value: Uint8Array) => {
    if (value.length !== 1) throw wrongSize('boolean', '1 byte', value)
    if (value[0] !== 0 && value[0] !== 1) throw new StreamsError('SERDE_FAILED', `A boolean is the byte 0 or 1, not ${value[0]}`)
    return value[0] === 1
  },
})

const uuidText = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i

const uuid: Serde<string> = Object.freeze({
  name: 'uuid',
  serialize: (value: string) => {
    if (!uuidText.test(value)) throw wrongType('uuid', value)
    return Buffer.from(value.toLowerCase(), 'utf8')
  },
  deserialize: (value: Uint8Array) => {
    const text = toBuffer(value).toString('utf8')
    if (!uuidText.test(text)) throw new StreamsError('SERDE_FAILED', `Not a UUID: ${text.slice(0, 80)}`)
    return text.toLowerCase()
  },
})

const nothing: Serde<null> = Object.freeze({
  name: 'void',
  serialize: (value: null) => {
    throw wrongType('void', value)
  },
  deserialize: (value: Uint8Array) => {
    throw wrongSize('void', 'null', value)
  },
})

const wrongType = (expected: string, value: unknown): StreamsError => {
  const message = `The ${expected} serde got ${value === null ? 'null' : typeof value}: ${String(value).slice(0, 80)}`
  return new StreamsError('SERDE_FAILED', message, { cause: new TypeError(message) })
}

const wrongSize = (expected: string, size: string, value: Uint8Array): StreamsError =>
  new StreamsError('SERDE_FAILED', `A ${expected} takes ${size}, got ${value.length} bytes`)

const parseJson = (bytes: Buffer, from: number, to: number): unknown => {
  const text = bytes.toString('utf8', from, to)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StreamsError('SERDE_FAILED', `Not JSON: ${text.slice(0, 80)}`, { cause })
  }
}

const jsonText = (value: unknown): string => {
  const text = JSON.stringify(value)
  if (text === undefined) throw wrongType('json', value)
  return text
}

/**
 * Compact UTF-8 JSON, insertion order kept. With a schema (any Standard Schema, synchronous) what is read is checked by it. Where
 * the place says what the values are, `json()` is enough; where they come from (a topic that is read) it takes their type: `json<Trade>()`.
 */
function json<T = never>(): Serde<T>
function json<S extends StandardSchemaV1>(schema: S): Serde<StandardSchemaV1.InferOutput<S>>
function json(schema?: StandardSchemaV1): Serde<unknown> {
  const checked = schema ? (parsed: unknown) => checkBySchema(schema, parsed) : (parsed: unknown) => parsed
  return Object.freeze({
    name: 'json',
    serialize: (value: unknown) => Buffer.from(jsonText(value), 'utf8'),
    serializeInto: (value: unknown, out: Buffer, at: number) => writeText(jsonText(value), out, at),
    deserialize: (bytes: Uint8Array) => checked(parseJson(toBuffer(bytes), 0, bytes.length)),
    deserializeFrom: (bytes: Buffer, from: number, to: number) => checked(parseJson(bytes, from, to)),
  })
}

const checkBySchema = (schema: StandardSchemaV1, parsed: unknown): unknown => {
  const result = schema['~standard'].validate(parsed)
  if (result instanceof Promise)
    throw new StreamsError('CONFIG_INVALID', 'The schema of a json serde validates asynchronously: it must be synchronous')
  if (!result.issues) return result.value
  const issues = result.issues.map((issue) => {
    const path = issue.path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return path ? `${path}: ${issue.message}` : issue.message
  })
  throw new StreamsError('SERDE_FAILED', `JSON that the schema refuses: ${issues.join('; ')}`)
}

/**
 * Kafka's built-in serdes (F-02), byte for byte: numbers are big-endian, strings UTF-8, a UUID is its 36 characters.
 * `long` is a JavaScript number and throws beyond 2^53 - 1; `bigint` is the same 8 bytes without that limit.
 *
 * @example
 * ```ts
 * import { Serdes } from 'millrace'
 *
 * Buffer.from(Serdes.long.serialize(258, 'topic')).toString('hex') // => '0000000000000102'
 * Serdes.json<{ price: number }>().deserialize(Buffer.from('{"price":3}'), 'topic') // => { price: 3 }
 * ```
 */
export const Serdes = Object.freeze({
  string,
  bytes,
  boolean,
  short,
  integer,
  long,
  bigint: longAsBigint,
  float,
  double,
  uuid,
  void: nothing,
  list,
  json,
  timeWindowed,
  sessionWindowed,
})
