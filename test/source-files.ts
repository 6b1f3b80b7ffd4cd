import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

export interface SourceFile {
  /** From the project's root, with slashes. */
  readonly path: string
  readonly text: string
}

const skipped = /(^|\/)(node_modules|target|cdk\.out|__snapshots__)(\/|$)|^test\/conformance\/(oracle|vectors)(\/|$)/

/** Every file under the given folders of the project whose name ends in `suffix`; a folder that is not there has none. */
export function sourceFiles(folders: readonly string[], suffix = '.ts'): readonly SourceFile[] {
  return folders.flatMap((folder) =>
    entriesOf(folder)
      .filter((path) => path.endsWith(suffix) && !skipped.test(path))
      .map((path) => ({ path, text: readFileSync(`${root}${path}`, 'utf8') })),
  )
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
      .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
      .sort()
  } catch {
    return []
  }
}

/** What a file imports or re-exports, types and dynamic imports included. */
export function importsOf(text: string): readonly string[] {
  const clauses = text.matchAll(/^(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm)
  const bare = text.matchAll(/^import\s*['"]([^'"]+)['"]/gm)
  const calls = text.matchAll(/\b(?:import|require)\(\s*['"]([^'"]+)['"]/g)
  return [...clauses, ...bare, ...calls].map((match) => match[1] as string)
}

/** The text without the lines that are comments: rules about code do not read prose. */
export const withoutComments = (text: string): string => text.replace(/^\s*(\/\/|\/?\*).*$/gm, '')
