import type { SourceFile } from './source-files.ts'

/** A ts code fence of a document or a docstring. */
export interface Fence {
  /** `README.md:12`: the line of the opening fence. */
  readonly at: string
  readonly code: string
  /** False for a fence marked `ts no-run`: it is only type-checked. */
  readonly runs: boolean
}

/** Every ts fence of a text; in a .ts file, those of its docstrings. */
export function fencesOf({ path, text }: SourceFile): readonly Fence[] {
  const fences: Fence[] = []
  let open: { at: string; runs: boolean; lines: string[] } | undefined
  text.split('\n').forEach((raw, index) => {
    const line = path.endsWith('.ts') ? raw.replace(/^\s*\* ?/, '') : raw
    if (open === undefined) {
      const [, info] = /^\s*```ts\b(.*)$/.exec(line) ?? []
      if (info !== undefined && (path.endsWith('.md') || /^\s*\*/.test(raw))) {
        open = { at: `${path}:${index + 1}`, runs: info.trim() !== 'no-run', lines: [] }
      }
    } else if (/^\s*```\s*$/.test(line)) {
      fences.push({ at: open.at, runs: open.runs, code: open.lines.join('\n') })
      open = undefined
    } else open.lines.push(line)
  })
  return fences
}

/**
 * The fence as a module. `expression // => value` becomes an assertion of deep equality, also behind a declaration
 * (`const counts = ... // => value`), `console.log(...)`, or the last line of an expression over several lines. The value
 * may go on in the comment lines below. A fence without imports gets those of the project's names that it uses.
 */
export function moduleOf(fence: Fence, names: ReadonlyMap<string, string>): string {
  const lines = fence.code.split('\n')
  const out: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const [, code, first] = /^(.*\S)\s+\/\/ => (.+)$/.exec(lines[i] as string) ?? []
    if (code === undefined || first === undefined) {
      out.push(lines[i] as string)
      continue
    }
    let value = first
    while (/[[{(,]$/.test(value.trim()) && /^\s*\/\//.test(lines[i + 1] ?? '')) value += `\n${lines[++i]?.replace(/^\s*\/\//, '')}`
    out.push(...assertion([...takeStatementAbove(code, out), code].join('\n'), value))
  }
  const imports = /^import\b/m.test(fence.code) ? [] : importsFor(fence.code, names)
  return [...prelude, ...imports, ...out, 'export {}', ''].join('\n')
}

const prelude = [
  "import { deepStrictEqual } from 'node:assert'",
  'const __same: (actual: unknown, expected: unknown) => void = deepStrictEqual',
]
const indentOf = (line: string): number => line.length - line.trimStart().length
const continues = (line: string): boolean => /^\s*[.)\]}]/.test(line)

/** Takes back the lines of a statement whose last line begins with a dot or a closing bracket. */
function takeStatementAbove(code: string, out: string[]): readonly string[] {
  if (!continues(code)) return []
  const indentMax = indentOf(code) - (code.trimStart().startsWith('.') ? 1 : 0)
  const first = out.findLastIndex((line) => line.trim() !== '' && !continues(line) && indentOf(line) <= indentMax)
  return out.splice(first === -1 ? 0 : first)
}

function assertion(code: string, value: string): readonly string[] {
  const declared = /^\s*(?:const|let)\s+(\w+)\b/.exec(code)?.[1]
  if (declared !== undefined) return [code, `__same(${declared}, ${value})`]
  const logged = /^\s*console\.log\(([\s\S]*)\);?$/.exec(code)?.[1]
  return [`__same(${logged ?? code.replace(/;$/, '')}, ${value})`]
}

function importsFor(code: string, names: ReadonlyMap<string, string>): readonly string[] {
  const used = [...names].filter(
    ([name]) =>
      new RegExp(`(?<![.\\w'])${name}\\b`).test(code) && !new RegExp(`\\b(const|let|function|class|type|interface) ${name}\\b`).test(code),
  )
  return used.map(([name, door]) => `import { ${name} } from '${door}'`)
}
