import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { StreamsError } from '../errors.ts'
import { Topology } from '../topology/topology.ts'

/** A folder of `functions/` with its topology. */
export interface App {
  readonly name: string
  readonly folder: string
  readonly topology: Topology
}

/** INPUT_INVALID with the apps that exist for an unknown name, CONFIG_INVALID for a folder without a topology. */
export const loadApp = async (name: string, root = join(process.cwd(), 'functions')): Promise<App> => {
  const known = appNames(root)
  if (!known.includes(name)) {
    throw new StreamsError('INPUT_INVALID', `There is no app "${name}" in ${root}`, {
      remedy:
        known.length > 0
          ? `Choose one of: ${known.join(', ')}`
          : 'Create functions/<app>/topology.ts, with the topology as default export.',
    })
  }
  const folder = join(root, name)
  const module: { readonly default?: unknown } = await import(pathToFileURL(join(folder, 'topology.ts')).href)
  if (module.default instanceof Topology) return { name, folder, topology: module.default }
  throw new StreamsError('CONFIG_INVALID', `functions/${name}/topology.ts does not export a topology by default`, {
    remedy: 'End the file with: export default builder.build()',
  })
}

const appNames = (root: string): readonly string[] => {
  const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(root)
    .filter((name) => isFile(join(root, name, 'topology.ts')))
    .sort()
}
