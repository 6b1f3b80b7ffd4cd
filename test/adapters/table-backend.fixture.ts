import type { TableBackend, TaskId } from '../../src/state/backend.ts'

/** What the facts of a table need: the table, and a task that nobody used before. */
export interface Fixture {
  readonly table: () => TableBackend
  readonly freshTask: () => TaskId
}

/** A deadline that no test reaches. */
export const soon = (): number => Date.now() + 30_000
