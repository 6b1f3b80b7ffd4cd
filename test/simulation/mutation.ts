import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/** A text of the production code, and what stands there instead in this process alone. */
export interface Patch {
  /** Below the project's folder. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

const root = new URL('../../', import.meta.url)
export const urlOf = (file: string): string => new URL(file, root).href
export const textOf = (file: string): string => readFileSync(fileURLToPath(urlOf(file)), 'utf8')

/** How often a patch's text stands in its file: once, or the patch is out of date. */
export const occurrences = ({ file, find }: Patch): number => textOf(file).split(find).length - 1

/** Modules that are loaded from now on are changed by the patches. Types are stripped by Node, as without patches. */
export const applyPatches = (patches: readonly Patch[]): void => {
  const byUrl = new Map<string, Patch[]>()
  for (const patch of patches) {
    if (occurrences(patch) !== 1) throw new Error(`${patch.file} has ${occurrences(patch)} times ${JSON.stringify(patch.find)}, not once`)
    const url = urlOf(patch.file)
    byUrl.set(url, [...(byUrl.get(url) ?? []), patch])
  }
  registerHooks({
    load: (url, context, next) => {
      const own = byUrl.get(url)
      if (!own) return next(url, context)
      const text = readFileSync(fileURLToPath(url), 'utf8')
      const source = own.reduce((changed, { find, replace }) => changed.replace(find, () => replace), text)
      return { ...next(url, context), format: 'module-typescript', source, shortCircuit: true }
    },
  })
}
