import type { TaskItem } from '../../src/state/backend.ts'
import { createFindings, type Findings } from './findings.ts'

/** A row as text, from a changelog or from the table: equal rows have equal texts. */
export interface StoreCopy {
  readonly store: string
  /** By key. */
  readonly log: ReadonlyMap<string, string>
  readonly table: ReadonlyMap<string, string>
}

/** Everything that is known of one task when nothing moves any more. */
export interface TaskCopy {
  /** `<sub-topology>/<partition>` */
  readonly task: string
  /** The seq of each commit record, in the order of the commit topic. */
  readonly commits: readonly number[]
  readonly item: Pick<TaskItem, 'checkpoint' | 'bells'> | undefined
  readonly stores: readonly StoreCopy[]
}

export interface PartitionEnd {
  readonly topic: string
  readonly partition: number
  readonly lastStableOffset: number
  readonly highWatermark: number
}

/** Commit records are numbered without a gap, the checkpoint is at the last one and no bell is unanswered, each table is its changelog's fold. */
export const checkTask = ({ task, commits, item, stores }: TaskCopy): Findings => {
  const findings = createFindings(`task ${task}`)
  for (const [at, seq] of commits.entries()) {
    const before = commits[at - 1] ?? 0
    if (seq === before) findings.add('duplicates', `commit ${seq} twice`)
    else if (seq < before) findings.add('reorderings', `commit ${seq} after ${before}`)
    else if (seq > before + 1) findings.add('losses', `no commit between ${before} and ${seq}`)
  }
  const last = commits.at(-1) ?? 0
  const checkpoint = item?.checkpoint?.seq ?? 0
  if (checkpoint !== last) findings.add('wrong', `the checkpoint is at ${checkpoint}, the last commit is ${last}`)
  for (const [topic, target] of Object.entries(item?.bells ?? {})) {
    const position = item?.checkpoint?.positions[topic] ?? 0
    if (position < target) findings.add('losses', `a bell at ${target} of ${topic}, where the position is ${position}`)
  }
  for (const { store, log, table } of stores) {
    for (const [key, row] of log) {
      const is = table.get(key)
      if (is === undefined) findings.add('losses', `the table of ${store} has no ${key}, the changelog ${row}`)
      else if (is !== row) findings.add('wrong', `${key} in ${store} is ${is} in the table and ${row} in the changelog`)
    }
    for (const [key, row] of table) {
      if (!log.has(key)) findings.add('wrong', `the table of ${store} has ${key} with ${row}, the changelog has not`)
    }
  }
  return findings.all
}

/** No transaction hangs: everything that was written is readable. */
export const checkEnds = (ends: readonly PartitionEnd[]): Findings => {
  const findings = createFindings('hanging transaction')
  for (const { topic, partition, lastStableOffset, highWatermark } of ends) {
    if (lastStableOffset < highWatermark)
      findings.add('wrong', `${topic}/${partition} is readable up to ${lastStableOffset} of ${highWatermark}`)
  }
  return findings.all
}
