import type { Headers } from 'millrace'
import type { HeaderList, ProcessorSpec } from './scenario.ts'

/** A header's bytes as the vectors write them: text, or `base64:` and bytes that are no printable text. */
export const headerText = (bytes: Uint8Array | null): string | null => {
  if (bytes === null) return null
  const text = Buffer.from(bytes).toString('utf8')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what the oracle calls not printable
  const printable = !/[\u0000-\u0008\u000b-\u001f\ufffd]/.test(text) && !text.startsWith('base64:')
  return printable ? text : `base64:${Buffer.from(bytes).toString('base64')}`
}

export const headerBytes = (text: string | null): Uint8Array | null => {
  if (text === null) return null
  return text.startsWith('base64:') ? Buffer.from(text.slice(7), 'base64') : Buffer.from(text, 'utf8')
}

/** Our own headers on changelog records, whose names begin so, are left out: Java has none. */
export const headersJson = (headers: Headers): HeaderList =>
  headers.filter(([name]) => !name.startsWith('__millrace')).map(([name, bytes]) => [name, headerText(bytes)])

export const headersText = (headers: Headers): string =>
  headersJson(headers)
    .map(([name, text]) => `${name}=${text}`)
    .join(',')

/** README section 5.1, `headers`. */
export const setHeaders = (headers: Headers, { remove = [], add = [] }: ProcessorSpec): Headers => [
  ...headers.filter(([name]) => !remove.includes(name)),
  ...add.map(([name, text]) => [name, headerBytes(text)] as const),
]
