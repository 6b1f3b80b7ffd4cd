import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const installMsMax = 300_000

/** What is missing to run a tool that is written in Python. */
export interface MissingTool {
  /** The machine has no Python or pip; otherwise the tool could not be installed with them. */
  readonly prerequisite: boolean
  readonly what: string
}

export interface PythonTool {
  /** A program of its environment, `python` among them. */
  binary(name: string): string
  /** Installs it once into `.cache/` with pip. */
  install(): MissingTool | undefined
}

/** A Python package of one version, in an environment of its own. `extras`: as pip writes them, e.g. `[server]`. */
export function pythonTool(name: string, version: string, extras = ''): PythonTool {
  const folder = join(root, '.cache', `${name}-${version}`)
  const complete = join(folder, 'complete')
  const binary = (program: string): string => join(folder, process.platform === 'win32' ? `Scripts/${program}.exe` : `bin/${program}`)
  return {
    binary,
    install() {
      if (existsSync(complete)) return undefined
      if (run('python3', ['--version']).status !== 0) return { prerequisite: true, what: 'python3' }
      // What an interrupted installation left cannot be trusted.
      rmSync(folder, { recursive: true, force: true })
      if (run('python3', ['-m', 'venv', folder]).status !== 0) return { prerequisite: true, what: 'pip (python3 -m venv fails)' }
      const wanted = `${name}${extras}==${version}`
      const pip = run(binary('python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', wanted])
      if (pip.status !== 0)
        return { prerequisite: false, what: `${name} ${version} (pip could not install it: ${pip.stderr.trim().slice(-300)})` }
      writeFileSync(complete, '')
      return undefined
    },
  }
}

const run = (command: string, args: readonly string[]) => spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: installMsMax })
