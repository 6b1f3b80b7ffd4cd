import { linearAxis, short } from './axis.ts'
import { legend, line, picture, px, text } from './svg.ts'

export interface StacksSpec {
  readonly title: string
  /** What the values are, with their unit. */
  readonly axis: string
  /** What the values of a bar come to, but for rounding. */
  readonly whole: number
  /** At most eight. */
  readonly series: readonly string[]
  readonly bars: readonly {
    readonly name: string
    /** One for each series. */
    readonly values: readonly number[]
  }[]
}

const [width, labelsWidth, barHeight, gap, top] = [820, 200, 14, 6, 66]

/** One horizontal bar each, whose pieces stand one behind the other. */
export const stacks = ({ title, axis: axisName, whole, series, bars }: StacksSpec): string => {
  const axis = linearAxis([whole])
  const [left, right] = [labelsWidth, width - 40]
  const x = (value: number): number => left + axis.at(value) * (right - left)
  const bottom = top + bars.length * (barHeight + gap) + gap
  const body: string[] = [...legend(series, 16, 46)]
  for (const tick of axis.ticks) {
    body.push(
      line('grid', [x(tick), top], [x(tick), bottom]),
      text(short(tick), x(tick), bottom + 16, { class: 'quiet', anchor: 'middle' }),
    )
  }
  for (const [at, { name, values }] of bars.entries()) {
    const y = top + gap + at * (barHeight + gap)
    body.push(text(name, left - 8, y + barHeight - 3, { anchor: 'end' }))
    let from = 0
    for (const [n, value] of values.entries()) {
      const piece = px(x(from + value) - x(from))
      body.push(`<rect class="s${n} fill" x="${px(x(from))}" y="${px(y)}" width="${piece}" height="${barHeight}"/>`)
      from += value
    }
  }
  body.push(
    line('axis', [left, top], [left, bottom]),
    text(axisName, (left + right) / 2, bottom + 36, { class: 'quiet', anchor: 'middle' }),
  )
  return picture(title, { width, height: bottom + 48 }, body)
}
