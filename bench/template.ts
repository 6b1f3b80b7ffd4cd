import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, Stack } from 'aws-cdk-lib'
import cdk from '../cdk.json' with { type: 'json' }
import { type Bench, type Row, rounded } from './bench.ts'

interface Statement {
  readonly Action: string | readonly string[]
  readonly Resource: unknown
}

interface Template {
  readonly Resources: Readonly<Record<string, { readonly Type: string; readonly Properties?: Readonly<Record<string, unknown>> }>>
}

/** A role's statements, wherever the template has them. */
const statementsOf = (template: Template, role: string): readonly Statement[] =>
  Object.entries(template.Resources).flatMap(([id, { Type, Properties = {} }]) => {
    const text = JSON.stringify(Properties)
    if (Type === 'AWS::IAM::Role' && id === role) return documents(Properties.Policies)
    return Type === 'AWS::IAM::Policy' && text.includes(`{"Ref":"${role}"}`) ? documents([Properties]) : []
  })

const documents = (policies: unknown): readonly Statement[] =>
  Array.isArray(policies) ? policies.flatMap(({ PolicyDocument }) => PolicyDocument?.Statement ?? []) : []

const wildcards = (statements: readonly Statement[]): number =>
  statements.flatMap(({ Resource }) => [Resource].flat()).filter((it) => /\*"?\]*\}?$/.test(JSON.stringify(it))).length

/** What Lambda gets to see of each function of a stack. */
const rowsOf = async (folder: string, stack: Stack): Promise<readonly Row[]> => {
  const text = await readFile(join(folder, `${stack.stackName}.template.json`), 'utf8')
  const template: Template = JSON.parse(text)
  const resources = Object.values(template.Resources)
  const functions = Object.entries(template.Resources).filter(
    ([id, { Type }]) => Type === 'AWS::Lambda::Function' && /Task|Query|TopicsHandler/.test(id),
  )
  return Promise.all(
    functions.map(async ([id, { Properties = {} }]) => {
      const { Role, Code } = Properties as {
        readonly Role: { readonly 'Fn::GetAtt': readonly [string] }
        readonly Code: { readonly S3Key: string }
      }
      const statements = statementsOf(template, Role['Fn::GetAtt'][0])
      const file = join(folder, `asset.${Code.S3Key.replace('.zip', '')}`, 'index.mjs')
      return {
        stack: stack.stackName,
        resources: resources.length,
        'template KB': rounded(text.length / 1000),
        function: id.replace(/^App|Function[0-9A-F]{8}$/g, ''),
        statements: statements.length,
        actions: statements.flatMap(({ Action }) => Action).length,
        'resources with *': wildcards(statements),
        'bundle KB': existsSync(file) ? rounded((await readFile(file)).length / 1000) : '',
      }
    }),
  )
}

/** `npm run bench -- template`: the templates of all stacks, with bundles, as `cdk synth` makes them. */
const bench: Bench = async (note) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-template-'))
  try {
    process.env.CDK_CONTEXT_JSON = JSON.stringify(cdk.context)
    process.env.CDK_OUTDIR = folder
    const begin = performance.now()
    const { app }: { readonly app: App } = await import('../infra/app.ts')
    const made = performance.now()
    app.synth()
    const seconds = { constructs: (made - begin) / 1000, templates: (performance.now() - made) / 1000 }
    const stacks = app.node.children.filter((child) => child instanceof Stack)
    note(`${stacks.length} stacks`)
    const rows = (await Promise.all(stacks.map((stack) => rowsOf(folder, stack)))).flat()
    return {
      rows,
      ratios: [],
      comparisons: [
        { name: 'seconds to make the constructs of all stacks, with bundles', value: rounded(seconds.constructs) },
        { name: 'seconds to make and validate the templates', value: rounded(seconds.templates) },
      ],
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

export default bench
