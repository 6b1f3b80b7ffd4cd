import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TableBackend, TaskId } from '../../src/state/backend.ts'
import { type Fixture, soon } from './table-backend.fixture.ts'
import { ask, createModel, operations } from './table-backend.model.ts'
import { stateRowFacts } from './table-backend.rows.ts'
import { taskItemFacts } from './table-backend.tasks.ts'

/** What every table must do: the conditions of the task protocol, and last-writer-wins rows in unsigned byte order. */
export function tableBackendConformance(
  name: string,
  make: () => TableBackend | Promise<TableBackend>,
  options: { readonly runs: number },
): void {
  describe(`${name} as a table`, () => {
    let table: TableBackend
    let tasks = 0
    const freshTask = (): TaskId => ({ subTopology: `sub-${name}-${process.pid}-${tasks++}`, partition: 3 })
    beforeAll(async () => {
      table = await make()
      await table.ensure(soon())
    }, 60_000)
    afterAll(() => table.close())
    const use: Fixture = { table: () => table, freshTask }

    it('exists already when ensure is called again', async () => {
      await table.ensure(soon())
    })
    taskItemFacts(use)
    stateRowFacts(use)

    it('answers every random sequence of requests as the model does', async () => {
      await fc.assert(
        fc.asyncProperty(operations, async (sequence) => {
          const task = freshTask()
          const model = createModel(task)
          for (const operation of sequence) expect(await ask(table, task, operation, soon())).toEqual(model(operation))
        }),
        { numRuns: options.runs },
      )
    }, 120_000)
  })
}
