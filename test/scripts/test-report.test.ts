import { describe, expect, it } from 'vitest'
import { count, kindOf, type Report, verdict } from '../../scripts/test-report.ts'

const file = (
  name: string,
  statuses: readonly string[],
  more: { status?: string; missing?: string } = {},
): Report['testResults'][number] => ({
  name,
  status: more.status ?? 'passed',
  message: '',
  assertionResults: statuses.map((status, index) => ({
    fullName: `fact ${index}`,
    status,
    ...(more.missing === undefined ? {} : { meta: { missing: more.missing } }),
  })),
})
const lastLine = (testResults: Report['testResults'], options = { status: 0, ci: false }) => {
  const { lines, status } = verdict(
    count({ testResults }, (name) => name),
    options,
  )
  return [status, lines.at(-1)]
}

describe('the report of npm test', () => {
  it('knows the kind of a test from its path', () => {
    const paths = [
      'test/architecture.test.ts',
      'test/docs.test.ts',
      'test/public-api.test.ts',
      'test/types/types.test.ts',
      'test/conformance/vectors.test.ts',
      'test/serde/numbers.property.test.ts',
      'test/simulation/seeds.test.ts',
      'test/broker/kafkajs.test.ts',
      'test/serde/numbers.test.ts',
    ]
    expect(paths.map(kindOf)).toEqual([
      'architecture',
      'docs',
      'public API',
      'types',
      'conformance',
      'property',
      'simulation',
      'real parts',
      'unit',
    ])
  })

  it('ends with the counts', () => {
    expect(lastLine([file('a.test.ts', ['passed', 'passed'])])).toEqual([0, '2 passed, 0 failed'])
    expect(lastLine([file('a.test.ts', ['passed', 'failed'], { status: 'failed' })], { status: 1, ci: true })).toEqual([
      1,
      '1 passed, 1 failed',
    ])
    expect(lastLine([file('a.test.ts', ['passed', 'skipped'])])).toEqual([0, '1 passed, 0 failed, 1 skipped'])
  })

  it('counts a skipped test as failed in CI, and says which', () => {
    const { lines, status } = verdict(
      count({ testResults: [file('a.test.ts', ['passed', 'skipped'])] }, (name) => name),
      { status: 0, ci: true },
    )
    expect({ lines, status }).toEqual({
      status: 1,
      lines: ['', 'unit 1', 'skipped, which counts as failed in CI: a.test.ts: fact 1', '1 passed, 1 failed'],
    })
  })

  it('lets a test skip in CI that names what the machine lacks', () => {
    const results = [file('a.test.ts', ['passed']), file('b.test.ts', ['skipped'], { missing: 'python3' })]
    expect(lastLine(results, { status: 0, ci: true })).toEqual([0, '1 passed, 0 failed, 1 skipped'])
  })

  it('counts a file that could not be loaded as one failed test', () => {
    expect(lastLine([file('a.test.ts', ['passed']), file('b.test.ts', [], { status: 'failed' })], { status: 1, ci: false })).toEqual([
      1,
      '1 passed, 1 failed',
    ])
  })

  it('fails when no test was run, when there is no report, and when vitest fails beside its tests', () => {
    expect(lastLine([])).toEqual([1, '0 passed, 1 failed'])
    expect(
      verdict(
        count(undefined, (name) => name),
        { status: 7, ci: false },
      ).status,
    ).toBe(7)
    expect(lastLine([file('a.test.ts', ['passed'])], { status: 1, ci: false })).toEqual([1, '1 passed, 1 failed'])
  })
})
