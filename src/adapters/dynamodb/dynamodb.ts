import type { TableBackend } from '../../state/backend.ts'
import { assertRowFits } from '../../state/backend.ts'
import { ensureTable } from './ensure-table.ts'
import { createKnownRows } from './known-rows.ts'
import { createRequests, type DynamoDbConfig } from './requests.ts'
import { queryRows, readRows } from './row-reads.ts'
import { wipeRows } from './row-wipes.ts'
import { writeRows } from './row-writes.ts'
import { createTaskItems } from './task-item.ts'

export type { DynamoDbConfig } from './requests.ts'

/**
 * State rows and task items in one DynamoDB table (`pk` S, `sk` B). The client is made with the first request. Sockets are
 * kept alive; an unanswered request is repeated, as all requests here may be.
 */
export function createDynamoDb(config: DynamoDbConfig): TableBackend {
  const requests = createRequests(config)
  const tasks = createTaskItems(requests)
  const known = createKnownRows()
  let rowsRead = 0
  let rowsWritten = 0
  return {
    ensure: (deadlineMs) => ensureTable(requests, config.pointInTimeRecovery ?? false, deadlineMs),
    readTask: tasks.read,
    acquire: tasks.acquire,
    ring: tasks.ring,
    release: tasks.release,
    checkpoint: tasks.checkpoint,
    async put(rows, deadlineMs) {
      for (const row of rows) assertRowFits(row)
      rowsWritten += rows.length
      await writeRows(requests, known, rows, deadlineMs)
    },
    async get(keys, deadlineMs) {
      rowsRead += keys.length
      return readRows(requests, known, keys, deadlineMs)
    },
    async *query(range, deadlineMs) {
      for await (const page of queryRows(requests, known, range, deadlineMs)) {
        rowsRead += page.length
        yield page
      }
    },
    wipe: (space, deadlineMs) => wipeRows(requests, space, deadlineMs),
    metrics: {
      get requests() {
        return requests.sent
      },
      get rowsRead() {
        return rowsRead
      },
      get rowsWritten() {
        return rowsWritten
      },
    },
    async close() {
      requests.close()
    },
  }
}
