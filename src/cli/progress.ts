import { SingleBar } from 'cli-progress'
import type { LocalEngine, SourceLag } from '../local/local-engine.ts'

export interface Progress {
  /** Records of the input written to their topics so far. */
  fed(records: number): void
  end(): void
}

/** What a run is fed. */
export interface ProgressInput {
  /** Records; undefined where nobody knows beforehand. */
  readonly total: number | undefined
  readonly topics: readonly string[]
}

const number = new Intl.NumberFormat('en-US')
export const count = (value: number): string => number.format(value)
const sumOf = (values: readonly number[]): number => values.reduce((sum, it) => sum + it, 0)

/** Shows records/s and the lag: a bar on a terminal, a plain line per second elsewhere. */
export const showProgress = (engine: LocalEngine, input: ProgressInput, output: NodeJS.WriteStream): Progress => {
  const rate = rateOf(() => sumOf(engine.stats().map((it) => it.recordsRead)))
  const { total } = input
  return output.isTTY && total !== undefined
    ? showBar(engine, { ...input, total }, { output, rate })
    : showLines(engine, total, { output, rate })
}

interface Display {
  readonly output: NodeJS.WriteStream
  /** Records per second. */
  readonly rate: () => number
}

const showLines = (engine: LocalEngine, total: number | undefined, { output, rate }: Display): Progress => {
  const startMs = performance.now()
  let fed = 0
  const line = (): void => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6)
    const ofTotal = total === undefined ? '' : ` of ${count(total)}`
    output.write(`${seconds} s  fed ${count(fed)}${ofTotal}  ${count(rate())} records/s  ${lagTexts(engine.lag())[0]}\n`)
  }
  const timer = setInterval(line, 1000)
  return {
    fed: (records) => {
      fed = records
    },
    end: () => {
      clearInterval(timer)
      line()
    },
  }
}

/** One line: the input at first; when it is read, what it has left to do in the topics behind it. */
const showBar = (
  engine: LocalEngine,
  { total, topics }: ProgressInput & { readonly total: number },
  { output, rate }: Display,
): Progress => {
  let fed = 0
  let restMost = 0
  const bar = new SingleBar({
    format: '{phase} {bar} {percentage}%  {rate} records/s  {lags}',
    barsize: 20,
    stream: output,
    hideCursor: true,
  })
  const show = (phase: string, value: number, of: number): void => {
    const speed = count(rate())
    const columns = (output.columns ?? 80) - `${phase} ${' '.repeat(20)} 100%  ${speed} records/s  `.length
    const lags = lagTexts(engine.lag()).find((text) => text.length <= columns) ?? ''
    bar.setTotal(of)
    bar.update(value, { phase, rate: speed, lags })
  }
  const draw = (): void => {
    const lag = engine.lag()
    const waiting = sumOf(topics.map((topic) => Math.max(0, ...lag.filter((it) => it.topic === topic).map((it) => sumOf(it.lag)))))
    const rest = sumOf(lag.filter((it) => !topics.includes(it.topic)).map((it) => sumOf(it.lag)))
    const read = Math.max(0, fed - waiting)
    if (read >= total) restMost = Math.max(restMost, rest)
    if (restMost === 0) show('input   ', Math.min(read, total), total)
    else show('the rest', restMost - rest, restMost)
  }
  bar.start(total, 0, { phase: 'input   ', rate: 0, lags: '' })
  const timer = setInterval(draw, 200)
  return {
    fed: (records) => {
      fed = records
    },
    end: () => {
      clearInterval(timer)
      draw()
      bar.stop()
    },
  }
}

/** From the longest to the shortest: per partition, per topic, all together. */
const lagTexts = (lag: readonly SourceLag[]): readonly string[] => [
  `lag ${lag.map((it) => `${it.topic} [${it.lag.map(count).join(' ')}]`).join('  ')}`,
  `lag ${lag.map((it) => `${it.topic} ${count(sumOf(it.lag))}`).join('  ')}`,
  `lag ${count(sumOf(lag.map((it) => sumOf(it.lag))))}`,
]

/** Over the last few seconds: transactions come in steps. */
const rateOf = (records: () => number): (() => number) => {
  const windowMs = 3_000
  const seen = [{ ms: performance.now(), records: records() }]
  return () => {
    const now = { ms: performance.now(), records: records() }
    seen.push(now)
    while (now.ms - (seen[1] ?? now).ms >= windowMs) seen.shift()
    const [oldest = now] = seen
    return Math.round(((now.records - oldest.records) / Math.max(1, now.ms - oldest.ms)) * 1000)
  }
}
