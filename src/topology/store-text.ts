import type { StoreSpec } from './nodes.ts'

/** What the rows of a store are: kind, retention in milliseconds where it has one, and where they are logged. It is kept with what is deployed. */
export const storeText = (store: StoreSpec): string => {
  const kept = store.kind === 'versioned' ? store.historyMs : store.retentionMs
  const kind = store.kind === 'window' && store.retainDuplicates ? 'window-of-duplicates' : store.kind
  const log = store.sourceTopic === undefined ? (store.logging === false ? 'unlogged' : 'logged') : `from:${store.sourceTopic}`
  return [kind, ...(kept === undefined ? [] : [String(kept)]), log].join(' ')
}

const kindOf = (text: string): string =>
  text
    .split(' ')
    .filter((word) => Number.isNaN(Number(word)))
    .join(' ')
const keptMsOf = (text: string): number => Number(text.split(' ').find((word) => !Number.isNaN(Number(word))) ?? Number.POSITIVE_INFINITY)

/** Whether a store can go on with rows that were written as `was` says: of the same kind, and not kept for longer than they were. */
export const canGoOn = (was: string, is: string): boolean => kindOf(was) === kindOf(is) && keptMsOf(is) <= keptMsOf(was)
