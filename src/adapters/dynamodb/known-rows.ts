/** What reads and writes told about the existence of rows: a hint that saves a round, never a decision. */
export interface KnownRows {
  /** For a row that nobody met: as it was with the last one that was a surprise. */
  exists(identity: string): boolean
  learn(identity: string, exists: boolean): void
  /** As `learn`, where the answer was not the expected one. */
  correct(identity: string, exists: boolean): void
}

const rowsMax = 100_000

export function createKnownRows(): KnownRows {
  const rows = new Map<string, boolean>()
  let strangersExist = false
  const learn = (identity: string, exists: boolean) => {
    rows.set(identity, exists)
    if (rows.size <= rowsMax) return
    // Oldest first: a Map keeps the order of insertion.
    for (const oldest of rows.keys()) {
      rows.delete(oldest)
      return
    }
  }
  return {
    exists: (identity) => rows.get(identity) ?? strangersExist,
    learn,
    correct(identity, exists) {
      if (!rows.has(identity)) strangersExist = exists
      learn(identity, exists)
    },
  }
}
