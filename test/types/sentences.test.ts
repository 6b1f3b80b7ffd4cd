import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../source-files.ts'

const folder = join(root, '.cache', 'sentences')

const before = `import { joinWindows, Serdes, StreamsBuilder } from 'millrace'

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const builder = new StreamsBuilder()
const words = builder.stream('words', strings)
const numbers = builder.stream('numbers', { keySerde: Serdes.long, valueSerde: Serdes.string })
const table = builder.table('table', strings)
const numbered = builder.table('numbered', { keySerde: Serdes.long, valueSerde: Serdes.string })
const around = joinWindows({ timeDifferenceMs: 1, graceMs: 0 })
`
const equalKeys = 'Streams are joined by equal keys: selectKey one of them first'
const ownKey = 'A stream is joined with the row of its own key: selectKey the stream first, or join a globalTable, by any key'
const foreignKey =
  'Tables with different keys are joined by foreign key: join(other, (value, key) => keyOfOther, joiner), where the first function gives a key of the other table'
const windows = 'Streams are joined within windows: join(other, joiner, joinWindows({ timeDifferenceMs, graceMs }))'

/** Calls that are wrong, and what the compiler says first. */
const mistakes: readonly (readonly [code: string, sentence: string])[] = [
  ['words.join(numbers, (one, other) => one + other, around)', equalKeys],
  ['words.leftJoin(numbers, (one, other) => one + other, around)', equalKeys],
  ['words.outerJoin(numbers, (one, other) => [one, other], around)', equalKeys],
  ['words.join(words, (one, other) => one + other)', windows],
  ['words.join(numbered, (word, row) => word + row)', ownKey],
  ['words.leftJoin(numbered, (word, row) => [word, row])', ownKey],
  ['table.join(numbered, (one, other) => one + other)', foreignKey],
  ['table.leftJoin(numbered, (one) => one, (one, other) => [one, other])', foreignKey],
  [
    "builder.stream('trades', { keySerde: Serdes.string, valueSerde: Serdes.json() })",
    'Serdes.json() does not say what the values are: write Serdes.json<Trade>(), or give it a schema',
  ],
  ["builder.table('trades', { keySerde: Serdes.string })", "Property 'valueSerde' is missing"],
]

it('says in a sentence what is wrong with a call', { timeout: 120_000 }, () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }))
  for (const [at, [code]] of mistakes.entries()) writeFileSync(join(folder, `mistake-${at}.ts`), `${before}${code}\n`)
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '-p', folder, '--noErrorTruncation'], { cwd: folder, encoding: 'utf8' })
  const told = mistakes.map(([, sentence], at) => {
    const [, text = ''] = stdout.split(`mistake-${at}.ts(`)
    return text.includes(sentence) ? sentence : text
  })
  expect(told).toEqual(mistakes.map(([, sentence]) => sentence))
})
