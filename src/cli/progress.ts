import { SingleBar } from 'cli-progress'
import type { LocalEngine } from '../local/local-engine.ts'

export interface Progress {
  /** Records of the input written to their topics so far. */
  fed(records: number): void
  end(): void
}

const number = new Intl.NumberFormat('en-US')
export const count = (value: number): string => number.format(value)

/** Shows records/s and the lag per partition: a bar on a terminal, a plain line per second elsewhere. */
export const showProgress = (engine: LocalEngine, total: number | undefined, output: NodeJS.WriteStream): Progress => {
  const startMs = performance.now()
  let fed = 0
  let before = { ms: startMs, records: 0 }
  const recordsRead = (): number => engine.stats().reduce((sum, it) => sum + it.recordsRead, 0)
  const rate = (): number => {
    const now = { ms: performance.now(), records: recordsRead() }
    const perSecond = ((now.records - before.records) / Math.max(1, now.ms - before.ms)) * 1000
    before = now
    return Math.round(perSecond)
  }
  const lags = (): string =>
    engine
      .lag()
      .map(({ topic, lag }) => `${topic} [${lag.map(count).join(' ')}]`)
      .join('  ')
  const seconds = (): string => ((performance.now() - startMs) / 1000).toFixed(1)
  if (!output.isTTY || total === undefined) {
    const line = (): void => {
      output.write(
        `${seconds().padStart(6)} s  fed ${count(fed)}${total === undefined ? '' : ` of ${count(total)}`}  ${count(rate())} records/s  lag ${lags()}\n`,
      )
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
  const bar = new SingleBar({
    format: '{bar} {percentage}%  {value}/{total}  {rate} records/s  lag {lags}',
    stream: output,
    hideCursor: true,
  })
  bar.start(total, 0, { rate: 0, lags: '' })
  const draw = (): void => {
    const waiting = engine.lag()[0]?.lag.reduce((sum, it) => sum + it, 0) ?? 0
    bar.update(Math.max(0, fed - waiting), { rate: count(rate()), lags: lags() })
  }
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
