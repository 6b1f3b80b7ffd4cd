import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { importsOf, root, type SourceFile, sourceFiles, withoutComments } from './source-files.ts'

const ground = ['errors', 'invariant', 'awaitable']

/** Who may import whom, besides itself: a room, or one file of it. The longest name that fits a file is its room. */
const rooms: Record<string, readonly string[]> = {
  'src/errors': [],
  'src/invariant': [],
  'src/awaitable': [],
  'src/serde': ['errors', 'invariant'],
  'src/processor': ['serde', ...ground],
  'src/topology': ['processor', 'serde', ...ground],
  'src/state': ['processor', 'serde', ...ground],
  'src/operators': ['topology', 'processor', 'serde', ...ground],
  'src/dsl': ['operators', 'topology', 'processor', 'serde', 'errors'],
  'src/runtime': ['topology', 'state', 'processor', 'serde', ...ground],
  'src/adapters/kafkajs': ['runtime/ports', 'runtime/record-block', 'state/backend', 'processor', 'errors', 'invariant'],
  'src/adapters/dynamodb': ['runtime/ports', 'state/backend', 'processor', 'errors', 'invariant'],
  'src/adapters/memory': ['runtime/ports', 'runtime/record-block', 'state/backend', 'processor', 'errors', 'invariant'],
  'src/lambda': ['runtime', 'topology', 'state/backend', 'processor', 'adapters', 'errors'],
  'src/local': ['runtime', 'topology', 'state/backend', 'processor', 'adapters', 'lambda', 'errors'],
  'src/testing': ['runtime', 'topology', 'state', 'processor', 'serde', 'adapters/memory', 'errors', 'awaitable'],
  'src/cli': [
    'index',
    'dsl',
    'operators',
    'topology',
    'state',
    'runtime',
    'adapters',
    'lambda',
    'local',
    'testing',
    'processor',
    'serde',
    ...ground,
  ],
  'src/index': ['dsl', 'topology', 'processor', 'serde', 'errors'],
  functions: ['index'],
  'functions/*/input': ['functions/*/topology', 'local'],
  'functions/*/handler': ['index', 'lambda', 'functions/*/topology'],
  'infra/constructs': ['topology', 'errors', 'infra/handlers/topic-plan', 'lambda/kafka-security'],
  'infra/handlers': ['adapters/kafkajs', 'lambda/kafka-security', 'runtime/ports', 'runtime/renamed', 'topology', 'errors'],
  'infra/stacks': ['infra/constructs', 'topology'],
  'infra/app': ['infra/stacks', 'functions/*/topology'],
}

/** npm packages that only some rooms may name. `reason` is due for each one that users install with us. */
const packages: Record<string, { readonly rooms: readonly string[]; readonly reason?: string }> = {
  kafkajs: { rooms: ['src/adapters/kafkajs'], reason: 'speaks to brokers: wire codecs, sockets, SASL' },
  '@aws-sdk/client-dynamodb': { rooms: ['src/adapters/dynamodb'], reason: 'speaks to the state table: signing, retries' },
  '@middy/core': { rooms: ['src/lambda'], reason: 'lets users put their own middleware around the handler' },
  '@standard-schema/spec': { rooms: ['src/serde'], reason: 'types only: json(schema) takes a schema of any library' },
  commander: { rooms: ['src/cli'], reason: 'parses the command line and writes its help' },
  'cli-progress': { rooms: ['src/cli'], reason: 'shows how far a long command is' },
  'spdx-license-list': { rooms: ['functions/*/input'] },
  'aws-lambda': { rooms: ['src/lambda', 'src/local'] },
  'aws-cdk-lib': { rooms: ['infra'] },
  constructs: { rooms: ['infra'] },
  esbuild: { rooms: ['src/local', 'src/cli', 'infra'] },
}

const doors: Record<string, string> = Object.fromEntries(
  Object.entries(manifest.exports).map(([door, file]) => [`millrace${door.slice(1)}`, posix.normalize(file)]),
)
const isIn = (path: string, room: string): boolean => {
  const pattern = room.replaceAll('.', '\\.').replaceAll('*', '[^/]+')
  return new RegExp(`^${pattern}(\\.ts$|/)`).test(path)
}
const roomOf = (path: string): string | undefined =>
  Object.keys(rooms)
    .filter((room) => isIn(path, room))
    .sort((one, other) => other.length - one.length)[0]
const packageOf = (name: string): string => name.split('/', name.startsWith('@') ? 2 : 1).join('/')

function refusal(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined
  const room = roomOf(path)
  if (room === undefined) return `${path} is in no room of the table`
  const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : doors[specifier]
  if (target === undefined) {
    const allowed = packages[packageOf(specifier)]?.rooms.some((home) => isIn(path, home))
    return allowed ? undefined : `${path} may not import the package ${packageOf(specifier)}`
  }
  const sameRoom = roomOf(target) === room && !(room === 'functions' && posix.dirname(target) !== posix.dirname(path))
  const arrows = rooms[room] ?? []
  if (sameRoom || arrows.some((arrow) => isIn(target, arrow) || isIn(target, `src/${arrow}`))) return undefined
  return `${path} may not import ${target}: ${room} may import ${arrows.join(', ') || 'nothing'}`
}
const refusals = (files: readonly SourceFile[]): readonly string[] =>
  files.flatMap(({ path, text }) => importsOf(text).flatMap((specifier) => refusal(path, specifier) ?? []))

const shipped = sourceFiles(['src', 'functions', 'infra'])
const all = [...shipped, ...sourceFiles(['scripts', 'test', 'bench'])]

describe('the import table', () => {
  it('is kept by every file', () => {
    expect(refusals(shipped)).toEqual([])
  })

  it('is what docs/architecture.md shows', () => {
    const rows = Object.entries(rooms).map(
      ([room, arrows]) => `| \`${room}\` | ${arrows.map((arrow) => `\`${arrow}\``).join(', ') || 'nothing'} |`,
    )
    const page = readFileSync(posix.join(root, 'docs/architecture.md'), 'utf8')
    const [, section = ''] = page.split('## Who may import whom')
    const [table = ''] = section.split('\n## ')
    expect(table.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows)
  })

  it('was held against the files that there are', () => {
    expect(shipped.length).toBeGreaterThanOrEqual(20)
    expect(shipped.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThanOrEqual(30)
    expect(shipped.flatMap(({ path }) => (roomOf(path) ? [] : [path]))).toEqual([])
  })

  it('refuses types, re-exports and dynamic imports that go up, and packages out of their room', () => {
    const text = [
      "import type { Task } from '../runtime/task.ts'",
      "export {\n  KStream,\n} from '../dsl/kstream.ts'",
      "const late = await import('../adapters/kafkajs/kafkajs.ts')",
      "import { Kafka } from 'kafkajs'",
      "import { StreamsError } from '../errors.ts'",
      "import 'node:crypto'",
    ].join('\n')
    expect(refusals([{ path: 'src/topology/topology.ts', text }])).toEqual([
      'src/topology/topology.ts may not import src/runtime/task.ts: src/topology may import processor, serde, errors, invariant, awaitable',
      'src/topology/topology.ts may not import src/dsl/kstream.ts: src/topology may import processor, serde, errors, invariant, awaitable',
      'src/topology/topology.ts may not import the package kafkajs',
      'src/topology/topology.ts may not import src/adapters/kafkajs/kafkajs.ts: src/topology may import processor, serde, errors, invariant, awaitable',
    ])
    const handler =
      "import { streamsHandler } from 'millrace/lambda'\nimport { topology } from './topology.ts'\nimport { Kafka } from 'kafkajs'"
    expect(refusals([{ path: 'functions/word-count/handler.ts', text: handler }])).toEqual([
      'functions/word-count/handler.ts may not import the package kafkajs',
    ])
    expect(refusals([{ path: 'functions/word-count/topology.ts', text: handler }])).toHaveLength(2)
  })

  it('has one reason for every runtime dependency', () => {
    const reasons = Object.entries(packages).flatMap(([name, { reason }]) => (reason ? [name] : []))
    expect(Object.keys(manifest.dependencies).sort()).toEqual(reasons.sort())
  })

  it('names doors that lead to files of this project', () => {
    const existing = Object.values(doors).filter((file) => existsSync(`${root}${file}`))
    expect(existing.flatMap((file) => (roomOf(file) ? [] : [file]))).toEqual([])
  })
})

/** Files that are longer than 400 lines, each for one reason. */
const long: Record<string, string> = {}

describe('files', () => {
  it('have at most 400 lines', () => {
    const tooLong = all.filter(({ path, text }) => text.split('\n').length > 401 && !(path in long))
    expect(tooLong.map(({ path }) => path)).toEqual([])
  })

  it('have kebab-case names that say what is inside', () => {
    const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*\.ts$/
    const vague = /(^|[/.-])(core|commons?|utils?|helpers?|manager|service|misc)(?=[/.-])/
    const wrong = all.filter(({ path }) => !kebab.test(posix.basename(path)) || vague.test(path))
    expect(wrong.map(({ path }) => path)).toEqual([])
  })
})

/** Where time, chance and the process's environment may be read; everywhere else they come in by parameter. */
const edges = ['src/adapters', 'src/lambda', 'src/local', 'src/cli', 'infra']
const world = /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|randomUUID|set(Timeout|Interval|Immediate)|process\.env)\b/

/** Tests that may wait on a real clock, each with its reason: everything else waits for an event or drives a fake clock. */
const waiting: Record<string, string> = {
  'test/adapters/kafkajs-connection.test.ts': 'counts the timers that a connection makes',
  'test/adapters/transaction-session.test.ts': 'it takes the place of the timer, so that nobody waits',
  'test/broker/': 'real processes tell nobody when they are up',
  'test/chaos/': 'faults have a time and a length on the clock of real processes',
  'test/deploy/': 'real processes tell nobody when they are up',
}

describe('the world', () => {
  it('is read at the edges only', () => {
    const inside = shipped.filter(({ path }) => !edges.some((edge) => isIn(path, edge)))
    const reads = inside.filter(({ text }) => world.test(withoutComments(text)))
    expect(reads.map(({ path }) => path)).toEqual([])
  })

  it('does not make tests sleep', () => {
    const tests = sourceFiles(['test']).filter(({ path }) => !Object.keys(waiting).some((prefix) => path.startsWith(prefix)))
    const sleeps = tests.filter(
      ({ path, text }) => path !== 'test/architecture.test.ts' && /\bset(Timeout|Interval)\b|timers\/promises/.test(withoutComments(text)),
    )
    expect(sleeps.map(({ path }) => path)).toEqual([])
  })
})
