import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `npm run check`: everything that must hold before a change is done, one heading and one time each; stops at the first failure. */
const root = fileURLToPath(new URL('..', import.meta.url))
const inModules = (...path: string[]): string => join(root, 'node_modules', ...path)

const steps: readonly { readonly name: string; readonly command: string; readonly args: readonly string[] }[] = [
  { name: 'format and lint', command: inModules('.bin', 'biome'), args: ['check', '.'] },
  { name: 'types', command: inModules('.bin', 'tsc'), args: ['--noEmit'] },
  { name: 'tests', command: process.execPath, args: [join(root, 'scripts', 'test.ts')] },
  { name: 'synth', command: inModules('.bin', 'cdk'), args: ['synth', '--quiet'] },
]

for (const { name, command, args } of steps) {
  console.log(`\n== ${name}`)
  const begin = performance.now()
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  if (status !== 0) {
    console.error(`== ${name} failed after ${seconds} s${error ? `: ${error.message}` : ''}`)
    process.exit(status ?? 1)
  }
  console.log(`== ${name} ok, ${seconds} s`)
}
