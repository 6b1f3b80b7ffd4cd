import { linearAxis, short } from './axis.ts'
import { legend, line, picture, px, text } from './svg.ts'

export interface BarsSpec {
  readonly title: string
  /** What the values are, with their unit. */
  readonly axis: string
  readonly series: readonly string[]
  readonly groups: readonly BarGroup[]
}

interface BarGroup {
  readonly name: string
  /** One for each series. */
  readonly values: readonly number[]
  /** One for each series; null: none was set. */
  readonly targets: readonly (number | null)[]
}

const [width, labelsWidth, barHeight, groupGap, top] = [820, 300, 13, 12, 66]

/** Horizontal bars by group, a mark where a target is; a dashed line stands at 1, where two sides are equal. */
export const bars = ({ title, axis: axisName, series, groups }: BarsSpec): string => {
  const axis = linearAxis([1, ...groups.flatMap(({ values, targets }) => [...values, ...targets.map((target) => target ?? 0)])])
  const [left, right] = [labelsWidth, width - 60]
  const x = (value: number): number => left + axis.at(value) * (right - left)
  const groupHeight = series.length * barHeight + groupGap
  const bottom = top + groups.length * groupHeight
  const body: string[] = [...legend(series, 16, 46)]
  if (groups.some(({ targets }) => targets.some((target) => target !== null)))
    body.push(text('| target', width - 60, 46, { anchor: 'end' }))
  for (const tick of axis.ticks) {
    body.push(
      line('grid', [x(tick), top], [x(tick), bottom]),
      text(short(tick), x(tick), bottom + 16, { class: 'quiet', anchor: 'middle' }),
    )
  }
  for (const [at, { name, values, targets }] of groups.entries()) {
    const y = top + at * groupHeight + groupGap / 2
    body.push(text(name, left - 8, y + (series.length * barHeight) / 2 + 4, { anchor: 'end' }))
    for (const [n, value] of values.entries()) {
      const barTop = y + n * barHeight
      body.push(`<rect class="s${n} fill" x="${px(left)}" y="${px(barTop)}" width="${px(x(value) - left)}" height="${barHeight - 2}"/>`)
      const target = targets[n] ?? null
      if (target !== null) body.push(line('target', [x(target), barTop - 1], [x(target), barTop + barHeight - 1]))
      body.push(text(short(value), Math.max(x(value), x(target ?? 0)) + 4, barTop + 10))
    }
  }
  body.push(
    `<line class="axis" stroke-dasharray="4 3" x1="${px(x(1))}" y1="${top}" x2="${px(x(1))}" y2="${px(bottom)}"/>`,
    line('axis', [left, top], [left, bottom]),
    text(axisName, (left + right) / 2, bottom + 36, { class: 'quiet', anchor: 'middle' }),
  )
  return picture(title, { width, height: bottom + 48 }, body)
}
