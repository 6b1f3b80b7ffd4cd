import { type Bench, median, type Ratio, type Row, rounded } from './bench.ts'
import { startJavaDriver, type Timing } from './engine/java-driver.ts'
import { runDriver, runTasks, timed } from './engine/own-engine.ts'
import { type Workload, workloads } from './engine/workloads.ts'

const warmUps = 3
const measured = 5

interface Side {
  readonly name: string
  readonly column: string
  readonly run: (workload: Workload) => Promise<Timing>
}

const perSecond = (records: number, ms: number): number => (1_000 * records) / ms

/** No broker: records a second of warm tasks over the memory adapters, and of our test driver, against Java's test driver. One round after the other. */
const bench: Bench = async (note) => {
  await using java = await startJavaDriver(workloads)
  const sides: readonly Side[] = [
    { name: "Java's TopologyTestDriver", column: 'Java', run: (workload) => java.run(workload) },
    { name: 'our TopologyTestDriver', column: 'driver', run: (workload) => runDriver(workload, timed) },
    { name: 'warm tasks', column: 'tasks', run: (workload) => runTasks(workload, timed) },
  ]
  const rows: Row[] = []
  const ratios: Ratio[] = []
  for (const workload of workloads) {
    const { name, records } = workload
    const timings = sides.map((): Timing[] => [])
    for (let round = 0; round < warmUps + measured; round++) {
      note(`${name}: ${round < warmUps ? `warming up, ${round + 1} of ${warmUps}` : `round ${round - warmUps + 1} of ${measured}`}`)
      for (const [at, side] of sides.entries()) {
        const timing = await side.run(workload)
        if (round >= warmUps) timings[at]?.push(timing)
      }
    }
    const speeds = timings.map((all) => ({
      wall: median(all.map(({ ms }) => perSecond(records, ms))),
      cpu: median(all.map(({ cpuMs }) => perSecond(records, cpuMs))),
    }))
    const [theirs, ...ours] = speeds
    const columns = sides.flatMap(({ column }, at): [string, number][] => [
      [`${column} records/s`, Math.round(speeds[at]?.wall ?? Number.NaN)],
      [`${column} per CPU s`, Math.round(speeds[at]?.cpu ?? Number.NaN)],
    ])
    rows.push({ workload: name, records, ...Object.fromEntries(columns) })
    for (const [at, { wall, cpu }] of ours.entries()) {
      const recordsPerSecond = rounded(wall / (theirs?.wall ?? Number.NaN), 2)
      const perCpuSecond = rounded(cpu / (theirs?.cpu ?? Number.NaN), 2)
      ratios.push({ workload: `${name}, ${sides[at + 1]?.name}`, against: "Java's TopologyTestDriver", recordsPerSecond, perCpuSecond })
    }
  }
  return { rows, ratios }
}

export default bench
