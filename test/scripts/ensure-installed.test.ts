import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { root } from '../source-files.ts'

let folder: string
const path = (...names: string[]): string => join(folder, ...names)
const lock = (version: string) =>
  JSON.stringify({ packages: { '': {}, 'node_modules/a': { version }, 'node_modules/b': { version: '1.0.0', optional: true } } })
const installed = (version: string) => JSON.stringify({ packages: { 'node_modules/a': { version } } })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-installed-'))
  for (const name of ['scripts', 'bin', 'node_modules']) mkdirSync(path(name))
  copyFileSync(join(root, 'scripts', 'ensure-installed.mjs'), path('scripts', 'ensure-installed.mjs'))
  writeFileSync(path('bin', 'npm'), '#!/bin/sh\necho "npm $1"\nexit $FAKE_STATUS\n')
  chmodSync(path('bin', 'npm'), 0o755)
})
afterEach(() => rmSync(folder, { recursive: true }))

/** What the script prints and how it ends, with an npm that only says how it was called. */
function run(npmStatus = 0) {
  const env = { PATH: `${path('bin')}:${process.env.PATH}`, FAKE_STATUS: String(npmStatus) }
  const { stdout, status } = spawnSync(process.execPath, [path('scripts', 'ensure-installed.mjs')], { env, encoding: 'utf8' })
  return { lines: stdout.split('\n').filter((line) => line !== ''), status }
}
const write = (lockText: string, installedText: string | undefined, installedAgeSeconds: number) => {
  writeFileSync(path('package-lock.json'), lockText)
  if (installedText === undefined) return
  const file = path('node_modules', '.package-lock.json')
  writeFileSync(file, installedText)
  const at = Date.now() / 1000 - installedAgeSeconds
  utimesSync(file, at, at)
}
const announcement = 'Installing the dependencies (npm ci): node_modules is missing or older than package-lock.json.'

describe.skipIf(process.platform === 'win32')('before npm start and npm test', () => {
  it('nothing happens when everything is installed', () => {
    write(lock('1.0.0'), installed('1.0.0'), -1)
    expect(run()).toEqual({ lines: [], status: 0 })
  })

  it('nothing happens when the lock file is newer but says the same', () => {
    write(lock('1.0.0'), installed('1.0.0'), 60)
    expect(run()).toEqual({ lines: [], status: 0 })
  })

  it('npm ci runs when nothing is installed, or something else', () => {
    write(lock('1.0.0'), undefined, 0)
    expect(run()).toEqual({ lines: [announcement, 'npm ci'], status: 0 })
    write(lock('2.0.0'), installed('1.0.0'), 60)
    expect(run()).toEqual({ lines: [announcement, 'npm ci'], status: 0 })
  })

  it('the failure of npm ci is the end', () => {
    write(lock('1.0.0'), undefined, 0)
    expect(run(3)).toEqual({ lines: [announcement, 'npm ci'], status: 3 })
  })
})
