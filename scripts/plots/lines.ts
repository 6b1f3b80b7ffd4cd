import { type Axis, linearAxis, logAxis, short } from './axis.ts'
import { legend, line, picture, px, text } from './svg.ts'

export interface LinesSpec {
  readonly title: string
  /** Name and unit. */
  readonly x: AxisSpec
  readonly y: AxisSpec
  readonly series: readonly Series[]
  /** A value of y that is asked for. */
  readonly target?: { readonly name: string; readonly value: number }
}

interface AxisSpec {
  readonly name: string
  readonly log: boolean
}

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

const [width, height] = [640, 380]
const area = { left: 74, right: width - 24, top: 66, bottom: height - 56 }

const axisOf = ({ log }: AxisSpec, values: readonly number[]): Axis => (log ? logAxis(values) : linearAxis(values))

/** A line with a dot at each value for every series; the x ticks are the values themselves where these are few. */
export const lines = ({ title, x: xSpec, y: ySpec, series, target }: LinesSpec): string => {
  const points = series.flatMap((one) => one.points)
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b)
  const xAxis = axisOf(xSpec, xs)
  const yAxis = axisOf(ySpec, [...points.map(([, y]) => y), ...(target ? [target.value] : [])])
  const { left, right, top, bottom } = area
  const x = (value: number): number => left + xAxis.at(value) * (right - left)
  const y = (value: number): number => bottom - yAxis.at(value) * (bottom - top)
  const body: string[] = [
    ...legend(
      series.map(({ name }) => name),
      16,
      46,
    ),
  ]
  for (const tick of yAxis.ticks) {
    body.push(line('grid', [left, y(tick)], [right, y(tick)]), text(short(tick), left - 8, y(tick) + 4, { class: 'quiet', anchor: 'end' }))
  }
  for (const tick of xs.length <= 8 ? xs : xAxis.ticks) {
    body.push(
      line('axis', [x(tick), bottom], [x(tick), bottom + 4]),
      text(short(tick), x(tick), bottom + 18, { class: 'quiet', anchor: 'middle' }),
    )
  }
  body.push(
    line('axis', [left, bottom], [right, bottom]),
    text(xSpec.name, (left + right) / 2, height - 14, { class: 'quiet', anchor: 'middle' }),
    text(ySpec.name, 16, (top + bottom) / 2, { class: 'quiet', anchor: 'middle', turned: -90 }),
  )
  if (target) {
    body.push(
      line('target', [left, y(target.value)], [right, y(target.value)]),
      text(target.name, right, y(target.value) - 6, { anchor: 'end' }),
    )
  }
  for (const [n, { points: own }] of series.entries()) {
    body.push(`<polyline class="s${n} line" points="${own.map(([px0, py0]) => `${px(x(px0))},${px(y(py0))}`).join(' ')}"/>`)
    for (const [px0, py0] of own) body.push(`<circle class="s${n} fill" cx="${px(x(px0))}" cy="${px(y(py0))}" r="3.5"/>`)
  }
  return picture(title, { width, height }, body)
}
