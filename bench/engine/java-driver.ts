import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Workload } from './workloads.ts'

/** What a run took; CPU is that of the whole process, with its compiler and collector threads. */
export interface Timing {
  readonly ms: number
  readonly cpuMs: number
}

export interface JavaDriver extends AsyncDisposable {
  run(workload: Workload): Promise<Timing>
}

const oracle = join(import.meta.dirname, '../../test/conformance/oracle/run')

/** Kafka's TopologyTestDriver in one JVM that stays, so that it is warm after some runs. */
export const startJavaDriver = async (workloads: readonly Workload[]): Promise<JavaDriver> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const fileOf = ({ name }: Workload): string => join(folder, `${name}.tsv`)
  for (const workload of workloads) {
    const lines = Array.from({ length: workload.records }, (_, n) => {
      const { topic, key, value, timestamp } = workload.record(n)
      return `${topic}\t${key}\t${value}\t${timestamp}\n`
    })
    await writeFile(fileOf(workload), lines.join(''))
  }
  const java = spawn(oracle, ['bench'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: java.stdout })[Symbol.asyncIterator]()
  const exited = once(java, 'exit')
  return {
    async run(workload) {
      java.stdin.write(`${workload.name} ${fileOf(workload)}\n`)
      for (;;) {
        const { value, done } = await answers.next()
        if (done) throw new Error(`Java ended without an answer to ${workload.name}`)
        // the library logs to the standard output as well
        if (value.startsWith('{"name"')) return JSON.parse(value) as Timing
      }
    },
    async [Symbol.asyncDispose]() {
      java.stdin.end()
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}
