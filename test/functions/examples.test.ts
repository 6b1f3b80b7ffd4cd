import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkNames, checkSources } from '../../infra/constructs/checks.ts'
import { loadApp } from '../../src/cli/apps.ts'
import { feedableTopics } from '../../src/cli/inputs.ts'
import { runCli } from '../cli/run-cli.ts'
import { root } from '../source-files.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const apps = readdirSync(join(root, 'functions'))
const fencesOf = (page: string, language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, text = '']) => text)

describe.each(apps)('the example %s', (app) => {
  it('has the lines of every handler, and an input for each topic that it reads', async () => {
    expect(read(`functions/${app}/handler.ts`)).toBe(read('functions/word-count/handler.ts'))
    const { topology } = await loadApp(app)
    const inputs = readdirSync(join(root, 'functions', app, 'input')).map((name) => name.slice(0, -extname(name).length))
    expect(inputs.sort()).toEqual([...feedableTopics(topology)].sort())
  })

  it('can be deployed: the CDK app has a stack for it, and every name that outlives a deployment is its own', async () => {
    expect(read('infra/app.ts')).toContain(` '${app}', `)
    const { topology } = await loadApp(app)
    expect([...checkNames(topology.subTopologies), ...checkSources(topology.subTopologies)]).toEqual([])
  })

  it('says on its page what it draws, and is in the table of the README', async () => {
    const page = read(`functions/${app}/README.md`)
    const { topology } = await loadApp(app)
    expect(fencesOf(page, 'mermaid')).toEqual([topology.toMermaid()])
    expect(read('README.md')).toContain(`| [\`${app}\`](functions/${app}/README.md) | `)
  })

  it('ends with the results that its page shows', { timeout: 60_000 }, async () => {
    const [results = 'no results'] = fencesOf(read(`functions/${app}/README.md`), 'text')
    const { code, stdout } = await runCli(['start', app, '--quiet'])
    expect(code).toBe(0)
    const parts = stdout.trim().split('\n\n')
    for (const part of results.trim().split('\n\n')) expect(parts).toContain(part)
  })
})
