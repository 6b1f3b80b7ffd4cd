/** An attribute as it is on the wire. */
export type WireValue = Readonly<Record<string, unknown>>
export type WireItem = Readonly<Record<string, WireValue>>

const utf8 = (text: string): number => Buffer.byteLength(text)
const base64 = (text: string): number => Buffer.from(text, 'base64').length

/** Two digits a byte, without zeros at either end, one byte more, and one for the sign. */
const numberBytes = (text: string): number => {
  const digits = text.replace(/[-.]/g, '').replace(/^0+|0+$/g, '').length
  return Math.ceil(digits / 2) + 1 + (text.startsWith('-') ? 1 : 0)
}

/**
 * What a value counts by the rules of "DynamoDB item sizes and formats" in the developer guide: text as UTF-8, numbers by their digits,
 * lists and maps with three bytes and one for each element.
 */
export const valueBytes = (value: WireValue): number => {
  const [type, content] = Object.entries(value)[0] ?? ['NULL', true]
  if (type === 'S') return utf8(content as string)
  if (type === 'N') return numberBytes(content as string)
  if (type === 'B') return base64(content as string)
  if (type === 'L') return (content as readonly WireValue[]).reduce((sum, each) => sum + 1 + valueBytes(each), 3)
  if (type === 'M') return Object.entries(content as WireItem).reduce((sum, [name, each]) => sum + 1 + utf8(name) + valueBytes(each), 3)
  return 1
}

export const itemBytes = (item: WireItem | undefined): number =>
  Object.entries(item ?? {}).reduce((sum, [name, value]) => sum + utf8(name) + valueBytes(value), 0)

/** Of a write: by the larger of the item before and after it, a kilobyte each, one at least; a condition that fails costs the same. */
export const writeUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / 1024))

/** Of a strongly consistent read: four kilobytes each, one at least, also where there is nothing. */
export const readUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / 4096))
