/** The part of Vitest's JSON report that is read here. */
export interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly meta?: { readonly missing?: string }
    }[]
  }[]
}

export interface Skipped {
  readonly test: string
  /** What the machine lacks, where the test says so. */
  readonly missing: string | undefined
}

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly Skipped[]
  /** Kind of test to the number of tests that ran. */
  readonly kinds: ReadonlyMap<string, number>
}

/** First match wins; the path is relative to the project and uses slashes. */
const kinds: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['architecture', /^test\/architecture\.test\.ts$/],
  ['docs', /^test\/docs\.test\.ts$/],
  ['public API', /^test\/public-api\.test\.ts$/],
  ['types', /^test\/types\//],
  ['conformance', /^test\/conformance\/|\.conformance\.(test\.)?ts$|^test\/adapters\/[^/]+\.test\.ts$/],
  ['property', /\.property\.test\.ts$/],
  ['simulation', /^test\/simulation\//],
  ['real parts', /^test\/(broker|deploy)\/|\.real\.test\.ts$/],
]

export const kindOf = (path: string): string => kinds.find(([, pattern]) => pattern.test(path))?.[0] ?? 'unit'

/** A file that could not be loaded has no tests: it counts as one failed. */
export function count(report: Report | undefined, pathOf: (file: string) => string): Counts {
  let passed = 0
  let failed = 0
  const skipped: Skipped[] = []
  const ran = new Map<string, number>()
  for (const file of report?.testResults ?? []) {
    const kind = kindOf(pathOf(file.name))
    const before = passed + failed
    for (const { status, fullName, meta } of file.assertionResults) {
      if (status === 'passed') passed++
      else if (status === 'failed') failed++
      else skipped.push({ test: `${pathOf(file.name)}: ${fullName.trim()}`, missing: meta?.missing })
    }
    const failedTests = file.assertionResults.some(({ status }) => status === 'failed')
    if (file.status === 'failed' && !failedTests) failed++
    const executed = passed + failed - before
    if (executed > 0) ran.set(kind, (ran.get(kind) ?? 0) + executed)
  }
  return { passed, failed, skipped, kinds: ran }
}

/** What to print, the counts last, and the exit status. */
export function verdict(
  counts: Counts,
  { status, ci }: { readonly status: number; readonly ci: boolean },
): { readonly lines: readonly string[]; readonly status: number } {
  const refused = ci ? counts.skipped.filter(({ missing }) => missing === undefined) : []
  const skipped = counts.skipped.length - refused.length
  const lines = ['', [...counts.kinds].map(([kind, tests]) => `${kind} ${tests}`).join(', ')]
  for (const { test, missing } of counts.skipped) {
    if (missing !== undefined) lines.push(`skipped, ${missing} is missing here: ${test}`)
    else lines.push(ci ? `skipped, which counts as failed in CI: ${test}` : `skipped: ${test}`)
  }
  let failed = counts.failed + refused.length
  if (counts.passed + failed === 0) {
    lines.push('no test was run')
    failed = 1
  } else if (status !== 0 && failed === 0) {
    lines.push(`vitest ended with status ${status} although no test failed`)
    failed = 1
  }
  lines.push(`${counts.passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return { lines, status: status !== 0 ? status : failed > 0 ? 1 : 0 }
}
