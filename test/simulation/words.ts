import type { LogRecord } from '../../src/runtime/ports.ts'

// what is compared, and told: one text per record, row or set of times
export const text = (bytes: Uint8Array | null): string => (bytes === null ? 'null' : Buffer.from(bytes).toString('latin1'))
export const lineOf = ({ key, value, timestamp }: Pick<LogRecord, 'key' | 'value' | 'timestamp'>): string =>
  `${text(key)}=${text(value)}@${timestamp}`
export const printable = (line: string): string => JSON.stringify(line)
export const contentOf = ({ value, timestamp }: Pick<LogRecord, 'value' | 'timestamp'>): string =>
  value === null ? 'null' : `${text(value)}@${timestamp}`
export const sorted = (value: unknown): string =>
  JSON.stringify(value, (_key, it) =>
    it !== null && typeof it === 'object' && !Array.isArray(it)
      ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1)))
      : it,
  )
