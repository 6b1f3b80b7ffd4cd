import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pageWith, picturesOf } from './plots/pages.ts'
import { readResults } from './plots/results.ts'

/** `npm run plots`: draws docs/performance/*.svg and writes the tables of docs/performance.md, both from bench/results. */
const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const folder = fileURLToPath(new URL('../docs/performance', import.meta.url))
const results = readResults()
const pictures = picturesOf(results)

mkdirSync(folder, { recursive: true })
for (const file of readdirSync(folder)) if (file.endsWith('.svg') && !pictures.has(file)) rmSync(join(folder, file))
for (const [file, svg] of pictures) writeFileSync(join(folder, file), svg)
writeFileSync(page, pageWith(readFileSync(page, 'utf8'), results))
process.stdout.write(`${results.size} results: ${pictures.size} pictures in docs/performance, tables in docs/performance.md\n`)
