import { type Serde, Serdes, serde } from 'millrace'
import type { SerdeSpec } from './scenario.ts'
import { longOf, toJson } from './values.ts'

/** Java's `long` in full: a number where that is exact, else a bigint. */
const long: Serde<number | bigint> = serde<number | bigint>({
  name: 'long',
  serialize: (value, topic) => (typeof value === 'bigint' ? Serdes.bigint.serialize(value, topic) : Serdes.long.serialize(value, topic)),
  deserialize: (bytes, topic) => longOf(Serdes.bigint.deserialize(bytes, topic) ?? 0n),
})

const refuse = (text: string, what: string): string => {
  if (text.startsWith('!')) throw new Error(`picky: cannot ${what}`)
  return text
}

const picky: Serde<string> = serde({
  name: 'picky',
  serialize: (value: string, topic) => Serdes.string.serialize(refuse(value, 'write'), topic),
  deserialize: (bytes, topic) => refuse(Serdes.string.deserialize(bytes, topic) ?? '', 'read'),
})

const named: Readonly<Record<string, Serde<unknown>>> = {
  string: Serdes.string as Serde<unknown>,
  long: long as Serde<unknown>,
  int: Serdes.integer as Serde<unknown>,
  short: Serdes.short as Serde<unknown>,
  double: Serdes.double as Serde<unknown>,
  float: Serdes.float as Serde<unknown>,
  boolean: Serdes.boolean as Serde<unknown>,
  bytes: Serdes.bytes as Serde<unknown>,
  uuid: Serdes.uuid as Serde<unknown>,
  void: Serdes.void as Serde<unknown>,
  json: Serdes.json<unknown>(),
  picky: picky as Serde<unknown>,
}

type NestedSpec = Exclude<SerdeSpec, string>

const innerOf = (spec: NestedSpec): SerdeSpec =>
  'list' in spec ? spec.list : 'timeWindowed' in spec ? spec.timeWindowed : spec.sessionWindowed

const nested = (spec: NestedSpec): Serde<unknown> => {
  const inner = serdeOf(innerOf(spec))
  if ('list' in spec) return Serdes.list(inner) as Serde<unknown>
  return ('timeWindowed' in spec ? Serdes.timeWindowed(inner, spec.sizeMs) : Serdes.sessionWindowed(inner)) as Serde<unknown>
}

/** The kind of serde that the project does not have yet; undefined where it has all that the spec names. */
export const missingSerde = (spec: SerdeSpec): string | undefined => {
  if (typeof spec === 'string') return Object.hasOwn(named, spec) ? undefined : `serde ${spec}`
  return missingSerde(innerOf(spec))
}

export const serdeOf = (spec: SerdeSpec): Serde<unknown> => {
  const found = typeof spec === 'string' ? named[spec] : nested(spec)
  if (!found) throw new Error(`unknown serde ${JSON.stringify(spec)}`)
  return found
}

/** The run-time value that a JSON value of the vectors stands for. */
export const fromJson = (spec: SerdeSpec, json: unknown): unknown => {
  if (json === null || json === undefined) return null
  if (typeof spec !== 'string') {
    if ('list' in spec) return (json as readonly unknown[]).map((entry) => fromJson(spec.list, entry))
    const { key, start, end } = json as { readonly key: unknown; readonly start: number; readonly end: number }
    return { key: fromJson(innerOf(spec), key), window: { startMs: start, endMs: end } }
  }
  switch (spec) {
    case 'long':
      return typeof json === 'string' ? longOf(BigInt(json)) : json
    case 'double':
    case 'float':
      return Number(json)
    case 'bytes':
      return Buffer.from(json as string, 'base64')
    default:
      return json
  }
}

/** Bytes of a JSON value; null stays null. */
export const encode = (spec: SerdeSpec, json: unknown, topic: string): Uint8Array | null => {
  const value = fromJson(spec, json)
  return value === null ? null : serdeOf(spec).serialize(value, topic)
}

/** JSON of bytes; null stays null. Throws where they do not fit the serde. */
export const decode = (spec: SerdeSpec, bytes: Uint8Array | null, topic: string): unknown =>
  bytes === null ? null : toJson(serdeOf(spec).deserialize(bytes, topic))
