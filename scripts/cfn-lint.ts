import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type MissingTool, pythonTool } from './python-tool.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const tool = pythonTool('cfn-lint', '1.58.0')

export type LintResult =
  | { readonly kind: 'linted'; readonly findings: readonly string[]; readonly failing: readonly string[] }
  | ({ readonly kind: 'missing' } & MissingTool)

/**
 * Checks CloudFormation templates with cfn-lint, installed once into `.cache/` with pip. What fails: its errors, and W3037
 * (an unknown IAM action). Other warnings are findings.
 */
export function lintTemplates(templates: readonly string[]): LintResult {
  const missing = tool.install()
  if (missing !== undefined) return { kind: 'missing', ...missing }
  const { stdout, stderr, error } = run(tool.binary('cfn-lint'), ['--format', 'json', '--', ...templates.map((path) => resolve(path))])
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = lintTemplates(process.argv.slice(2))
  if (result.kind === 'missing') console.log(`The templates were not checked: ${result.what} is missing here.`)
  else {
    for (const line of result.findings) console.log(line)
    console.log(`${result.failing.length} of ${result.findings.length} findings fail the check`)
    process.exitCode = result.failing.length > 0 ? 1 : 0
  }
}
