import { join } from 'node:path'
import { build } from 'esbuild'
import { bundleAlias, bundleOptions } from '../../infra/constructs/bundle-options.ts'

/** The file that a deployment would upload for this entry, in a folder of its own: its handler is `index.handler`. */
export const bundle = async (entry: string, folder: string): Promise<string> => {
  const { banner, mainFields, ...options } = bundleOptions
  const outfile = join(folder, 'index.mjs')
  await build({
    ...options,
    alias: bundleAlias,
    mainFields: [...mainFields],
    banner: { js: banner },
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    sourcemap: true,
  })
  return outfile
}
