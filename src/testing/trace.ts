import type { Change } from '../processor/change.ts'
import type { NodeVisit } from '../runtime/task.ts'

const isChange = (value: unknown): value is Change<unknown> =>
  typeof value === 'object' && value !== null && 'newValue' in value && 'oldValue' in value

/** Keys and values as a person reads them. */
const text = (value: unknown): string => {
  if (isChange(value)) return value.oldValue === null ? text(value.newValue) : `${text(value.newValue)} (was ${text(value.oldValue)})`
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`
  return JSON.stringify(value, (_name, it) => (typeof it === 'bigint' ? String(it) : it)) ?? 'null'
}

/** One line for a node that saw a record: the deeper the node, the further to the right. */
export const traceLine = ({ taskId, node, depth, record, from }: NodeVisit): string => {
  const where = from ? ` <- ${from.topic}/${from.partition}@${from.offset}` : ''
  return `${taskId} ${'  '.repeat(depth)}${node}  ${text(record.key)}: ${text(record.value)}  at ${record.timestamp}${where}`
}
