import type { Row } from '../../bench/bench.ts'
import { parts } from '../../bench/profile/parts.ts'
import { bars } from './bars.ts'
import { type LinesSpec, lines, type Series } from './lines.ts'
import type { Result } from './results.ts'
import { stacks } from './stacks.ts'
import { targetsOf } from './targets.ts'

/** A picture of a benchmark's results. */
export interface Plot {
  /** Without folder and ending. */
  readonly name: string
  readonly bench: string
  readonly draw: (result: Result) => string
}

const number = (row: Row, column: string): number => Number(row[column] ?? Number.NaN)

/** A series for each value of a column. */
const seriesBy = (rows: readonly Row[], by: string, [x, y]: readonly [x: string, y: string]): readonly Series[] =>
  [...Map.groupBy(rows, (row) => String(row[by]))].map(([name, own]) => ({
    name,
    points: own.map((row) => [number(row, x), number(row, y)] as const),
  }))

const ratioBars =
  (title: string) =>
  ({ bench, ratios }: Result): string =>
    bars({
      title,
      axis: 'ours divided by theirs; above 1 ours is better',
      series: ['records/s', 'records per CPU second'],
      groups: ratios.map((ratio) => {
        const targets = targetsOf(bench, ratio)
        const targetOf = (metric: string): number | null => targets.find((target) => target.metric === metric)?.atLeast ?? null
        return {
          name: bench === 'engine' ? ratio.workload : `${ratio.workload}, against ${ratio.against.split(',')[0]}`,
          values: [ratio.recordsPerSecond, ratio.perCpuSecond],
          targets: [targetOf('recordsPerSecond'), targetOf('perCpuSecond')],
        }
      }),
    })

const latencyOf = (subTopologies: number, title: string): Plot['draw'] => {
  const targetMs = 50
  return ({ rows }) => {
    const own = rows.filter((row) => row['sub-topologies'] === subTopologies)
    const series = ['p50 ms', 'p99 ms'].flatMap((column) =>
      seriesBy(own, 'window ms', ['records/s', column]).map(({ name, points }) => ({
        name: `${column.slice(0, 3)}, window ${name} ms`,
        points,
      })),
    )
    const axes = { x: { name: 'records per second', log: true }, y: { name: 'milliseconds from produce to committed output', log: true } }
    return lines({
      title,
      ...axes,
      series,
      ...(subTopologies === 1 ? { target: { name: `p99 ${targetMs} ms, window 0`, value: targetMs } } : {}),
    })
  }
}

/** A line for each value of the column `by`. */
const linesOf =
  ({
    by,
    columns,
    ...axes
  }: Pick<LinesSpec, 'title' | 'x' | 'y'> & { readonly by: string; readonly columns: readonly [x: string, y: string] }): Plot['draw'] =>
  ({ rows }) =>
    lines({ ...axes, series: seriesBy(rows, by, columns) })

/** A bar for each row, of the shares of its parts. */
const profileStacks: Plot['draw'] = ({ rows }) =>
  stacks({
    title: 'Where the CPU time goes',
    axis: 'per cent of the CPU time',
    whole: 100,
    series: parts,
    bars: rows.map((row) => ({ name: `${row.workload}, ${row.where}`, values: parts.map((part) => number(row, `${part} %`)) })),
  })

export const plots: readonly Plot[] = [
  { name: 'engine', bench: 'engine', draw: ratioBars("Engine, no broker: against Java's TopologyTestDriver") },
  { name: 'eos', bench: 'eos', draw: ratioBars('Exactly once on a real broker') },
  { name: 'profile', bench: 'profile', draw: profileStacks },
  { name: 'latency-one', bench: 'latency', draw: latencyOf(1, 'Latency, one sub-topology') },
  { name: 'latency-two', bench: 'latency', draw: latencyOf(2, 'Latency, two sub-topologies') },
  {
    name: 'scale-partitions',
    bench: 'scale-partitions',
    draw: linesOf({
      title: 'Throughput by partitions, a process each',
      ...{ x: { name: 'partitions', log: true }, y: { name: 'records per second', log: false } },
      ...{ by: 'workload', columns: ['partitions', 'records/s'] },
    }),
  },
  {
    name: 'scale-partitions-cpu',
    bench: 'scale-partitions',
    draw: linesOf({
      title: 'CPU by partitions, a process each',
      ...{ x: { name: 'partitions', log: true }, y: { name: 'CPU seconds per million records', log: false } },
      ...{ by: 'workload', columns: ['partitions', 'CPU s per million'] },
    }),
  },
  {
    name: 'scale-state',
    bench: 'scale-state',
    draw: linesOf({
      title: 'A batch of 1,000 records, by the size of the state',
      ...{ x: { name: 'keys of the partition', log: true }, y: { name: 'p50 milliseconds per batch', log: false } },
      ...{ by: 'keys come', columns: ['keys of the partition', 'p50 ms a batch'] },
    }),
  },
  {
    name: 'scale-paper',
    bench: 'scale-paper',
    draw: linesOf({
      title: 'On paper: DynamoDB by partitions and flush',
      ...{ x: { name: 'partitions, 1,000 records/s each', log: true }, y: { name: 'dollars per month', log: true } },
      ...{ by: 'flush', columns: ['partitions', 'DynamoDB $/month'] },
    }),
  },
]
