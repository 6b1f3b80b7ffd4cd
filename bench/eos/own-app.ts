import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { connectKafka } from '../../src/lambda/index.ts'
import { createLocalEngine } from '../../src/local/local-engine.ts'
import { workloads } from '../engine/workloads.ts'
import { measured } from './measured.ts'

/** Runs a workload against a broker until it has processed so many records. The table is in memory: what a table costs is another benchmark's. */
const [name, brokers = '', applicationId = '', expected] = process.argv.slice(2)
const workload = workloads.find((it) => it.name === name)
if (!workload) throw new Error(`no workload is called ${name}`)
const kafka = await connectKafka(brokers.split(','))
const engine = createLocalEngine({ topology: workload.topology(), applicationId, adapters: { kafka, table: createMemoryTable() } })
await engine.open()
const began = performance.now()
await engine.start()
await Promise.race([engine.drained(), engine.failed])
const ms = performance.now() - began
await engine.stop()
const read = engine.stats().reduce((sum, it) => sum + it.recordsRead, 0)
if (read !== Number(expected)) throw new Error(`${read} records were processed, not ${expected}`)
const transactions = engine.stats().reduce((sum, it) => sum + it.transactions, 0)
await Promise.all([kafka.txnLog.close(), kafka.reader.close(), kafka.admin.close()])
measured({ ms, transactions })
