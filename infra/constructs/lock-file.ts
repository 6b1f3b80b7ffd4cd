import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Annotations } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { messageOf, StreamsError } from '../../src/errors.ts'
import { canGoOn, storeText } from '../../src/topology/store-text.ts'
import type { Topology } from '../../src/topology/topology.ts'
import type { Finding } from './finding.ts'

/** What of one application outlives a deployment, by sub-topology. */
type Shape = Readonly<Record<string, { readonly stores: Readonly<Record<string, string>>; readonly sources: readonly string[] }>>
interface Shapes {
  readonly before: Shape
  readonly now: Shape
}

type Lock = Readonly<Record<string, Shape>>

/** In the working directory of the synthesis, unless the application names another file. It is to be committed. */
export const defaultLockFile = 'millrace.lock.json'
/** `-c millrace:lock=write`. */
const writeContext = 'millrace:lock'

const shapeOf = ({ subTopologies }: Topology): Shape =>
  Object.fromEntries(
    subTopologies.map(({ name, stores, sourceTopics }) => [
      name,
      {
        stores: Object.fromEntries(stores.map((store) => [store.name, storeText(store)])),
        sources: sourceTopics.map((topic) => topic.name),
      },
    ]),
  )

/**
 * Holds a topology against the one that was written down when it was last deployed, if it was: a synthesis has no account to ask. What
 * would begin with empty state, or what running tasks would refuse, is found; what is only gone is warned of. With `-c millrace:lock=write`
 * the file is written instead.
 */
export function holdAgainstLock(scope: Construct, file: string, applicationId: string, topology: Topology): readonly Finding[] {
  const lock = read(file)
  const now = shapeOf(topology)
  if (scope.node.tryGetContext(writeContext) === 'write') {
    const next = Object.entries({ ...lock, [applicationId]: now }).sort(([one], [other]) => (one < other ? -1 : 1))
    writeFileSync(file, `${JSON.stringify(Object.fromEntries(next), null, 2)}\n`)
    return []
  }
  const before = lock[applicationId]
  if (before === undefined) return []
  const gone = goneFrom({ before, now })
  for (const what of gone)
    Annotations.of(scope).addWarningV2(
      'millrace:gone',
      `${what} was deployed and is gone; its rows and topics stay. If that is meant: -c ${writeContext}=write`,
    )
  return Object.entries(before).flatMap(([name, was]) => changesOf(name, was, { before, now }))
}

function read(file: string): Lock {
  if (!existsSync(file)) return {}
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new StreamsError('CONFIG_INVALID', `${file} is not JSON: ${messageOf(cause)}`, {
      cause,
      remedy: `Take it from the last commit, or write it anew with -c ${writeContext}=write.`,
    })
  }
}

const remedy = `Keep the name. If it is meant to begin with nothing (docs/operations.md): -c ${writeContext}=write, and commit the file.`

function changesOf(name: string, was: Shape[string], { before, now }: Shapes): readonly Finding[] {
  const is = now[name]
  if (is === undefined) {
    const heir = heirOf(was, { before, now })
    return heir === undefined ? [] : [{ message: `Sub-topology "${name}" was deployed and is gone, and ${heir}: it was renamed`, remedy }]
  }
  const fresh = Object.keys(is.stores).filter((store) => was.stores[store] === undefined)
  return Object.entries(was.stores).flatMap(([store, text]): readonly Finding[] => {
    const after = is.stores[store]
    if (after === undefined) {
      const heir = fresh.find((it) => is.stores[it] === text)
      if (heir === undefined) return []
      return [
        {
          message: `Store "${store}" of sub-topology "${name}" was deployed and is gone, and "${heir}" is new and of its kind: it was renamed`,
          remedy,
        },
      ]
    }
    if (canGoOn(text, after)) return []
    return [
      {
        message: `Store "${store}" of sub-topology "${name}" was deployed as "${text}" and is "${after}": tasks would refuse its rows`,
        remedy: `Give the store another name, or empty it with millrace reset after the deployment and say so here: -c ${writeContext}=write.`,
      },
    ]
  })
}

/** What reads the same topics; or, as a repartition topic often has the name of the store behind it, what is new and keeps the same kinds of rows. */
function heirOf({ sources, stores }: Shape[string], { before, now }: Shapes): string | undefined {
  const kinds = (of: Readonly<Record<string, string>>): string => Object.values(of).sort().join()
  for (const [name, is] of Object.entries(now)) {
    if (is.sources.some((topic) => sources.includes(topic))) return `"${name}" reads what it has read`
    if (before[name] === undefined && kinds(stores) !== '' && kinds(stores) === kinds(is.stores))
      return `"${name}" is new and keeps rows of the same kinds`
  }
  return undefined
}

/** Without an heir: nothing is there that could have been renamed. */
const goneFrom = ({ before, now }: Shapes): readonly string[] =>
  Object.entries(before).flatMap(([name, was]) => {
    if (changesOf(name, was, { before, now }).length > 0) return []
    const is = now[name]
    if (is === undefined) return [`Sub-topology "${name}"`]
    return Object.keys(was.stores)
      .filter((store) => is.stores[store] === undefined)
      .map((store) => `Store "${store}" of sub-topology "${name}"`)
  })
