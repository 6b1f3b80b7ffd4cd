import { plots } from './plots.ts'
import type { Result } from './results.ts'
import { resultText } from './tables.ts'

/** Every picture that the kept results give, by its file name. */
export const picturesOf = (results: ReadonlyMap<string, Result>): ReadonlyMap<string, string> =>
  new Map(
    plots.flatMap(({ name, bench, draw }) => {
      const result = results.get(bench)
      return result === undefined ? [] : [[`${name}.svg`, draw(result)] as const]
    }),
  )

/** What stands between the marks of a benchmark: its numbers, and its pictures. */
const blockOf = (bench: string, results: ReadonlyMap<string, Result>): string => {
  const result = results.get(bench)
  if (result === undefined) return `No result is kept: \`npm run bench -- ${bench} --save\`, then \`npm run plots\`.`
  const images = plots.filter((plot) => plot.bench === bench).map(({ name }) => `![${name}](performance/${name}.svg)`)
  return [resultText(result), ...images].join('\n\n')
}

const blocks = /<!-- results ([\w-]+) -->\n[\s\S]*?<!-- \/results -->/g

/** The page with every block as the kept results have it. */
export const pageWith = (page: string, results: ReadonlyMap<string, Result>): string =>
  page.replaceAll(blocks, (_, bench: string) => `<!-- results ${bench} -->\n${blockOf(bench, results)}\n<!-- /results -->`)

/** The benchmarks that a page has a block for. */
export const benchesOf = (page: string): readonly string[] => [...page.matchAll(blocks)].map(([, bench = '']) => bench)
