import type { Ratio } from '../../bench/bench.ts'

export interface Target {
  readonly metric: 'recordsPerSecond' | 'perCpuSecond'
  readonly atLeast: number
}

/** What a ratio has to be, by benchmark; undefined where nothing was asked for. */
export const targetsOf = (bench: string, { workload, against }: Ratio): readonly Target[] => {
  if (bench === 'engine') return [{ metric: 'recordsPerSecond', atLeast: engineTarget(workload) }]
  if (bench !== 'eos') return []
  if (against.startsWith('kafkajs')) return [{ metric: 'recordsPerSecond', atLeast: 5 }]
  const perCpu = { 'filter-map': 4, 'word-count': 3, 'tumbling-count': 2 }[workload]
  return perCpu === undefined
    ? []
    : [
        { metric: 'recordsPerSecond', atLeast: 1 },
        { metric: 'perCpuSecond', atLeast: perCpu },
      ]
}

const engineTarget = (workload: string): number => (workload.startsWith('word-count') ? 10 : workload.startsWith('filter-map') ? 4 : 3)
