import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../source-files.ts'

export interface CdkRun {
  readonly status: number
  /** Standard output and standard error. */
  readonly output: string
  readonly ms: number
}

export interface Cdk {
  run(...args: readonly string[]): Promise<CdkRun>
  /** The template that the last run has made. */
  template(stack: string): { readonly Resources: Readonly<Record<string, { readonly Type: string; readonly DeletionPolicy?: string }>> }
}

const runMsMax = 180_000

/** The CDK's command line as a user has it, for the app of the fixtures. Its home and its output are in `folder`. */
export function cdkIn(folder: string, environment: Readonly<Record<string, string>>, context: Readonly<Record<string, string>>): Cdk {
  const command = join(root, 'node_modules', 'aws-cdk', 'bin', 'cdk')
  const output = join(folder, 'cdk.out')
  const always = ['--app', `${process.execPath} ${join(root, 'test/deploy/fixtures/app.ts')}`, '--output', output]
  const given = Object.entries(context).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const env = { PATH: process.env.PATH, HOME: folder, CI: 'true', ...environment }
  return {
    run(...args) {
      const beganMs = performance.now()
      return new Promise((resolve) => {
        const all = [command, ...always, ...given, ...args]
        execFile(process.execPath, all, { cwd: root, env, timeout: runMsMax, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
          const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
          resolve({ status, output: `${stdout}${stderr}`, ms: performance.now() - beganMs })
        })
      })
    },
    template: (stack) => JSON.parse(readFileSync(join(output, `${stack}.template.json`), 'utf8')),
  }
}
