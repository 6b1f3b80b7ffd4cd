import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { count, type Report, verdict } from './test-report.ts'

/**
 * `npm test`: runs Vitest with the arguments that it is given, then says what was run by kind. The last line is
 * `N passed, N failed` (and `, N skipped`). Where `CI` is `true` a skipped test counts as failed, unless the test names
 * in its `meta.missing` what the machine lacks. No test at all is a failure.
 */
const root = fileURLToPath(new URL('..', import.meta.url))

function runVitest(args: readonly string[]): { readonly status: number; readonly report: Report | undefined } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  const file = join(folder, 'report.json')
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  try {
    const { status } = spawnSync(process.execPath, [vitest, 'run', ...reporters, ...args], { cwd: root, stdio: 'inherit' })
    return { status: status ?? 1, report: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { status, report } = runVitest(process.argv.slice(2))
const result = verdict(
  count(report, (file) => relative(root, file).split(sep).join('/')),
  { status, ci: process.env.CI === 'true' },
)
console.log(result.lines.join('\n'))
process.exitCode = result.status
