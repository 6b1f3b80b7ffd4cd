// Plain JavaScript without dependencies: it runs on the user's own Node, before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const lockFile = join(root, 'package-lock.json')
const installedFile = join(root, 'node_modules', '.package-lock.json')

/** Does every package of the lock file stand in node_modules in its version? Optional ones may be missing: they depend on the platform. */
function holdsTheLock() {
  const wanted = JSON.parse(readFileSync(lockFile, 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    return found === undefined ? entry.optional === true : found.version === entry.version
  })
}

function isInstalled() {
  if (!existsSync(installedFile)) return false
  // A checkout or npm itself can leave the lock file a moment newer than what was installed from it.
  return statSync(installedFile).mtimeMs >= statSync(lockFile).mtimeMs || holdsTheLock()
}

const major = Number(process.versions.node.split('.')[0])
if (major < 20) {
  console.error(
    `Millrace needs Node 20 or newer to start, this is ${process.version}: install a newer one from https://nodejs.org and try again.`,
  )
  process.exit(1)
}
if (!isInstalled()) {
  console.log('Installing the dependencies (npm ci): node_modules is missing or older than package-lock.json.')
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (error) console.error(`npm could not be started: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}
