import { type Workload, workloads } from '../engine/workloads.ts'

const names = ['filter-map', 'word-count', 'tumbling-count']
const wordsPerLine = 4

/** The workloads that run end to end on a broker. */
export const onBroker: readonly Workload[] = workloads.filter(({ name }) => names.includes(name))

/** How many records the tasks of a workload read for so many records of input: those of a repartition topic too. */
export const processedIn = ({ name }: Workload, records: number): number => (name === 'word-count' ? records * (1 + wordsPerLine) : records)
