import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Scenario } from '../scenario.ts'

/** A scenario without what Java does with it. */
export type Draft = Omit<Scenario, 'expect'>

/** Java's driver, fed with scenarios. */
export interface Oracle {
  /** The scenario with what Java does with it. Rejects with `RefusedError` where it has no meaning in Java, e.g. a branch that is not there. */
  ask(draft: Draft): Promise<Scenario>
  close(): Promise<void>
}

export class RefusedError extends Error {}

/** In memory where that is possible: stores of Java on a disk write and sync files for every scenario. */
const temporaryFolder = (): string => mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'millrace-oracle-'))

const script = fileURLToPath(new URL('../oracle/run', import.meta.url))

/** Starts one JVM, built first where its sources have changed; it answers in the order in which it is asked, and ends with this process. */
export const startOracle = (): Oracle => {
  const folder = temporaryFolder()
  // scenarios are short: what the optimising compiler costs does not pay
  const options = `-Djava.io.tmpdir=${folder} -XX:TieredStopAtLevel=1`
  const java = spawn('sh', [script, 'serve'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, JDK_JAVA_OPTIONS: options },
  })
  const waiting: { readonly draft: Draft; readonly resolve: (scenario: Scenario) => void; readonly reject: (error: Error) => void }[] = []
  let complaints = ''
  java.stderr.on('data', (text: Buffer) => {
    complaints = `${complaints}${text}`.slice(-4000)
  })
  createInterface({ input: java.stdout }).on('line', (line) => {
    const asked = waiting.shift()
    const answer: Scenario | { readonly failed: string } = JSON.parse(line)
    if (!('failed' in answer) && answer.name !== asked?.draft.name)
      asked?.reject(new Error(`Java's driver answered ${answer.name} to ${asked.draft.name}`))
    else if ('failed' in answer) asked?.reject(new RefusedError(`${asked.draft.name}: ${answer.failed}`))
    else asked?.resolve(answer)
  })
  const ended = once(java, 'close').finally(() => rmSync(folder, { recursive: true, force: true }))
  const failAll = () => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`Java's driver ended:\n${complaints}`))
  }
  ended.then(failAll, failAll)
  java.stdin.on('error', () => {})
  return {
    ask: (draft) =>
      new Promise((resolve, reject) => {
        waiting.push({ draft, resolve, reject })
        java.stdin.write(`${JSON.stringify(draft)}\n`)
      }),
    async close() {
      java.stdin.end()
      await ended
    },
  }
}
