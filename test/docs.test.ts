import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { doors } from './doors.ts'
import { type Fence, fencesOf, moduleOf } from './fences.ts'
import { root, sourceFiles } from './source-files.ts'

const run = promisify(execFile)
const folder = join(root, '.cache', 'docs')
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

const readme = existsSync(join(root, 'README.md')) ? [{ path: 'README.md', text: readFileSync(join(root, 'README.md'), 'utf8') }] : []
const documents = [...readme, ...sourceFiles(['docs'], '.md')]
const fences = [...documents, ...sourceFiles(['src', 'infra'])].flatMap(fencesOf)
/** Names that a fence without imports may use, with the door of each. */
const names = new Map([...doors].reverse().flatMap((door) => door.exports.map(({ name }) => [name, door.name] as const)))
const fileOf = ({ at }: Fence): string => join(folder, `${at.replaceAll(/[^\w]+/g, '-')}.ts`)

/** What a child process printed, or that it printed nothing and ended well. */
const outcome = async (args: readonly string[]): Promise<string> => {
  try {
    await run(process.execPath, args, { cwd: root, timeout: 60_000 })
    return 'ok'
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return `${stdout}${stderr}`.trim() || String(error)
  }
}

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const config = { extends: '../../tsconfig.json', include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  for (const fence of fences) writeFileSync(fileOf(fence), moduleOf(fence, names))
})

describe('the code in documents and docstrings', () => {
  it('is found, fence by fence', () => {
    const written = documents.reduce((sum, { text }) => sum + [...text.matchAll(/^\s*```ts\b/gm)].length, 0)
    expect(fences.filter(({ at }) => at.includes('.md:'))).toHaveLength(written)
  })

  it('type-checks', { timeout: 60_000 }, async () => {
    if (fences.length === 0) return
    expect(await outcome([tsc, '--noEmit', '-p', folder])).toBe('ok')
  })

  for (const fence of fences.filter(({ runs }) => runs)) {
    it.concurrent(`runs at ${fence.at}`, { timeout: 60_000 }, async () => {
      expect(await outcome([fileOf(fence)])).toBe('ok')
    })
  }
})
