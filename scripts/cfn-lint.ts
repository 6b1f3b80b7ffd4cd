import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const version = '1.58.0'
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, '.cache', `cfn-lint-${version}`)
const binary = (name: string): string => join(folder, process.platform === 'win32' ? `Scripts/${name}.exe` : `bin/${name}`)
const complete = join(folder, 'complete')

export type LintResult =
  | { readonly kind: 'linted'; readonly findings: readonly string[]; readonly failing: readonly string[] }
  /** `prerequisite`: the machine has no Python or pip; otherwise cfn-lint could not be installed with them. */
  | { readonly kind: 'missing'; readonly prerequisite: boolean; readonly what: string }

/**
 * Checks CloudFormation templates with cfn-lint, installed once into `.cache/` with pip. What fails: its errors, and W3037
 * (an unknown IAM action). Other warnings are findings.
 */
export function lintTemplates(templates: readonly string[]): LintResult {
  const missing = install()
  if (missing !== undefined) return missing
  const { stdout, stderr, error } = run(binary('cfn-lint'), ['--format', 'json', '--', ...templates.map((path) => resolve(path))])
  if (error || !stdout.trim().startsWith('[')) throw new Error(`cfn-lint did not run: ${error?.message ?? stderr}${stdout}`)
  const found = (JSON.parse(stdout) as Finding[]).map(
    ({ Rule, Message, Location }) => `${Rule.Id} ${Message} (${Location.Path?.join('/') ?? ''})`,
  )
  return { kind: 'linted', findings: found, failing: found.filter((line) => /^E|^W3037 /.test(line)) }
}

interface Finding {
  readonly Rule: { readonly Id: string }
  readonly Message: string
  readonly Location: { readonly Path?: readonly (string | number)[] }
}

const run = (command: string, args: readonly string[]) => spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: 180_000 })

function install(): LintResult | undefined {
  if (existsSync(complete)) return undefined
  if (run('python3', ['--version']).status !== 0) return { kind: 'missing', prerequisite: true, what: 'python3' }
  // What an interrupted installation left cannot be trusted.
  rmSync(folder, { recursive: true, force: true })
  if (run('python3', ['-m', 'venv', folder]).status !== 0)
    return { kind: 'missing', prerequisite: true, what: 'pip (python3 -m venv fails)' }
  const pip = run(binary('python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `cfn-lint==${version}`])
  if (pip.status !== 0)
    return {
      kind: 'missing',
      prerequisite: false,
      what: `cfn-lint ${version} (pip could not install it: ${pip.stderr.trim().slice(-300)})`,
    }
  writeFileSync(complete, '')
  return undefined
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = lintTemplates(process.argv.slice(2))
  if (result.kind === 'missing') console.log(`The templates were not checked: ${result.what} is missing here.`)
  else {
    for (const line of result.findings) console.log(line)
    console.log(`${result.failing.length} of ${result.findings.length} findings fail the check`)
    process.exitCode = result.failing.length > 0 ? 1 : 0
  }
}
