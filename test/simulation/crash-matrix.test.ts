import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { crashMatrix } from './crash-matrix.ts'

it('is the table in docs/exactly-once.md; npm run simulate -- --matrix prints it anew', async () => {
  const page = readFileSync(new URL('../../docs/exactly-once.md', import.meta.url), 'utf8')
  const table = /<!-- crash-matrix -->\n([\s\S]*?)\n<!-- \/crash-matrix -->/.exec(page)?.[1]
  expect(table).toBe(await crashMatrix())
})
