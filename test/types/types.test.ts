import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root, sourceFiles } from '../source-files.ts'

const typeTests = sourceFiles(['test/types'], '.test-d.ts').map(({ path }) => join(root, path))

it('compiles the project, and with it every type test', { timeout: 120_000 }, () => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '--listFiles'], { cwd: root, encoding: 'utf8' })
  const lines = stdout.split('\n').filter((line) => line !== '')
  const errors = lines.filter((line) => /\berror TS\d+:|^\s/.test(line))
  expect(errors).toEqual([])
  expect(typeTests.length).toBeGreaterThanOrEqual(1)
  expect(typeTests.filter((file) => !lines.includes(file))).toEqual([])
})
