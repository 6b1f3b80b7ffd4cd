import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Bench, percentile, type Row, rounded } from './bench.ts'
import type { StateRun } from './scale/state-app.ts'
import { latency, recordsPerBatch } from './scale/state-settings.ts'

const keyCounts = [10_000, 1_000_000, 10_000_000]

const run = async (keys: number, distribution: string): Promise<StateRun> => {
  const child = fork(join(import.meta.dirname, 'scale/state-app.ts'), [String(keys), distribution], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`a process of the benchmark ended with ${code}`)
    })
    ended.catch(() => undefined)
    const [message] = await Promise.race([once(child, 'message'), ended])
    return message as StateRun
  } finally {
    child.kill('SIGKILL')
  }
}

/**
 * What a batch costs a warm task as its store grows: `scale/generated-table.ts` answers for any number of rows, each request as slowly as
 * `scale/state-settings.ts` says. A process per row of the result; the log is in memory. `MILLRACE_BENCH_BATCHES`: 700.
 */
const bench: Bench = async (note) => {
  const rows: Row[] = []
  for (const distribution of ['uniform', 'zipf']) {
    for (const keys of keyCounts) {
      note(`${distribution}, ${keys.toLocaleString('en-US')} keys; a request p50 ${latency.p50Ms} ms, p99 ${latency.p99Ms} ms`)
      const found = await run(keys, distribution)
      rows.push({
        'keys come': distribution,
        'keys of the partition': keys,
        'records a batch': recordsPerBatch,
        'p50 ms a batch': rounded(percentile(found.ms, 0.5)),
        'p99 ms a batch': rounded(percentile(found.ms, 0.99)),
        'CPU ms a batch': rounded(found.cpuMs),
        'rows read a batch': Math.round(found.rowsRead),
        'rows written a batch': Math.round(found.rowsWritten),
        'requests a batch': Math.round(found.requests),
        'heap MB': Math.round(found.heapMb),
      })
    }
  }
  const msAt = (keys: number): number =>
    Number(rows.find((row) => row['keys come'] === 'uniform' && row['keys of the partition'] === keys)?.['p50 ms a batch'])
  return {
    rows,
    ratios: [],
    comparisons: [{ name: 'uniform: a batch with 10 M keys / with 1 M keys', value: rounded(msAt(10_000_000) / msAt(1_000_000), 2) }],
  }
}

export default bench
