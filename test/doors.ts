import { existsSync, readFileSync } from 'node:fs'
import manifest from '../package.json' with { type: 'json' }
import { root } from './source-files.ts'

/** A door of the package: what users import from. */
export interface Door {
  /** `millrace/testing` */
  readonly name: string
  readonly text: string
  readonly exports: readonly { readonly name: string; readonly typeOnly: boolean }[]
}

export const reExports = /^export (type )?\{([^}]*)\} from '[^']+'$/gm

const exportsOf = (text: string): Door['exports'] =>
  [...text.matchAll(reExports)].flatMap(([, type, names = '']) =>
    names
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
      .map((entry) => ({ name: entry.split(' ').at(-1) as string, typeOnly: type !== undefined || entry.startsWith('type ') })),
  )

/** The doors that package.json names and that exist so far. */
export const doors: readonly Door[] = Object.entries(manifest.exports)
  .filter(([, file]) => existsSync(`${root}${file}`))
  .map(([path, file]) => {
    const text = readFileSync(`${root}${file}`, 'utf8')
    return { name: `millrace${path.slice(1)}`, text, exports: exportsOf(text) }
  })
