import type { Ratio, Row } from '../../bench/bench.ts'
import type { Machine, Result } from './results.ts'
import { targetsOf } from './targets.ts'

type Cell = string | number

const cellText = (cell: Cell): string => (typeof cell === 'number' ? cell.toLocaleString('en-US', { maximumFractionDigits: 3 }) : cell)

/** Numbers go to the right. */
const markdown = (head: readonly string[], rows: readonly (readonly Cell[])[]): string => {
  const rules = head.map((_, column) => (rows.every((row) => typeof row[column] === 'number') ? '---:' : '---'))
  return [head, rules, ...rows.map((row) => row.map(cellText))].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

const rowTable = (rows: readonly Row[]): string => {
  const columns = Object.keys(rows[0] ?? {})
  return markdown(
    columns,
    rows.map((row) => columns.map((column) => row[column] ?? '')),
  )
}

const ratioTable = (bench: string, ratios: readonly Ratio[]): string =>
  markdown(
    ['workload', 'ours divided by', 'records/s', 'per CPU second', 'target', ''],
    ratios.map((ratio) => {
      const { workload, against, recordsPerSecond, perCpuSecond } = ratio
      const targets = targetsOf(bench, ratio)
      const asked = targets.map(({ metric, atLeast }) => `${atLeast} ${metric === 'perCpuSecond' ? 'per CPU second' : 'records/s'}`)
      const missed = targets.filter(({ metric, atLeast }) => ratio[metric] < atLeast)
      return [workload, against, recordsPerSecond, perCpuSecond, asked.join(', '), missed.length === 0 ? '' : '**missed**']
    }),
  )

const machineText = ({ cpu, cores, memoryGb, platform, node, loadBefore }: Machine): string => {
  const busy = loadBefore > cores / 4 ? ` **The machine was busy with other work (load ${loadBefore}): these times say little.**` : ''
  return `${cpu}, ${cores} cores, ${memoryGb} GB, ${platform}, Node ${node}.${busy}`
}

/** What a page says of a benchmark: the machine, the numbers, the ratios. */
export const resultText = ({ bench, machine, rows, ratios, comparisons = [] }: Result): string =>
  [
    machineText(machine),
    rowTable(rows),
    ...(ratios.length === 0 ? [] : [ratioTable(bench, ratios)]),
    ...(comparisons.length === 0 ? [] : [comparisons.map(({ name, value }) => `* ${name}: ${value}`).join('\n')]),
  ].join('\n\n')
