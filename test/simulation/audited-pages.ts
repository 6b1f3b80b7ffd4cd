import { keyId } from '../../src/serde/serde.ts'
import type { StateKey, StateRow, TableBackend } from '../../src/state/backend.ts'
import { decodePage, groupOf, hashOf, indexAt, pageKey, placeOf } from '../../src/state/page.ts'
import { latestWindowName } from '../../src/state/windowed-row-store.ts'
import { type Audited, idOf, type KeyHistory } from './audited.ts'
import { contentOf, printable, text } from './words.ts'

const suffix = '#pages'
const everything = Number.MAX_SAFE_INTEGER

export const isPage = ({ store }: Pick<StateRow, 'store'>): boolean => store.endsWith(suffix)
/** As a checkpoint names a changelog whose rows are in pages. */
export const pagesOf = (topic: string): string => `${topic}${suffix}`
export const topicOf = (name: string): string => (name.endsWith(suffix) ? name.slice(0, -suffix.length) : name)

/** What a key was after a transaction. */
const contentAt = ({ bySeq }: KeyHistory, seq: number): string => {
  let content = 'null'
  for (const [changed, is] of bySeq) if (changed <= seq) content = is
  return content
}

const specOf = ({ task }: Audited, store: string) => {
  const spec = task.plans.flatMap(({ stores }) => stores).find(({ name, packed }) => name === store && packed)
  if (!spec) throw new Error(`store ${store} is never packed`)
  return spec
}

/** Whether a transaction left the window of a group behind. */
const isOver = (audited: Audited, store: string, { group, seq }: { readonly group: string; readonly seq: number }): boolean => {
  const { kind, retentionMs = Number.POSITIVE_INFINITY } = specOf(audited, store)
  const latest = audited.commits[seq - 1]?.times.remembered?.[latestWindowName(store)] ?? -1
  return kind === 'window' && Number(Buffer.from(group, 'latin1').readBigInt64BE(0)) <= latest - retentionMs
}

/** A page has all rows of its place as its transaction left them. Says what is otherwise. */
export const wrongPage = (audited: Audited, row: StateRow): string | undefined => {
  const store = topicOf(row.store)
  const place = placeOf(row.key)
  const where = `page ${place.level}/${place.index} of ${printable(place.group)} in ${store}`
  const committed = audited.commits.at(-1)?.seq ?? 0
  if (row.seq > committed) return `${where} is of transaction ${row.seq}, committed are ${committed}`
  if (row.value === null) return undefined
  if (isOver(audited, store, { group: place.group, seq: row.seq })) return `${where} is written although its window has expired`
  const hasWindows = specOf(audited, store).kind === 'window'
  // a reset wipes generations that are over: whoever still writes there has not found what it would go on from
  const isOverGen = row.gen < (audited.commits.at(-1)?.gen ?? 0)
  const rows = new Map(decodePage(row.value, where).map((it) => [it.id, contentOf(it)]))
  for (const history of audited.keys.values()) {
    const id = keyId(history.key)
    const isHere = groupOf(id, hasWindows) === place.group && indexAt(hashOf(id), place.level) === place.index
    if (history.store !== store || history.gen !== row.gen || !isHere) continue
    const [is, should] = [rows.get(id) ?? 'null', contentAt(history, row.seq)]
    if (is !== should && !(isOverGen && is === 'null'))
      return `${where}, of transaction ${row.seq}, has ${printable(is)} for ${printable(id)}, which it made ${printable(should)}`
    rows.delete(id)
  }
  const [other] = rows.keys()
  return other === undefined ? undefined : `${where} has ${printable(other)}, which does not belong there`
}

/** Behind a checkpoint the newest page in which a row may be has it as it is. Says what is otherwise. */
export const wrongInPages = async (
  audited: Audited,
  { gen, store, key, latest, ...history }: KeyHistory,
  { table, seq }: { readonly table: TableBackend; readonly seq: number },
): Promise<string | undefined> => {
  const id = keyId(key)
  const group = groupOf(id, specOf(audited, store).kind === 'window')
  if (isOver(audited, store, { group, seq })) return undefined
  const { subTopology, partition } = audited.task
  const places = Array.from({ length: 17 }, (_, level) => ({ group, level, index: indexAt(hashOf(id), level) }))
  const found = await table.get(
    places.map((place) => ({ subTopology, partition, gen, store: `${store}${suffix}`, key: pageKey(place) })),
    everything,
  )
  const items = found.flatMap((item) => (item ? [item] : []))
  const newest = Math.max(0, ...items.map((item) => item.seq))
  const page = items.find((item) => item.value !== null && item.seq === newest)
  const should = contentAt({ gen, store, key, latest, ...history }, latest)
  if (items.length > 0 && !page) return `${idOf(gen, store, key)}: all pages of ${newest} in which it may be are gone`
  const row = page && decodePage(page.value ?? new Uint8Array(), 'it').find((it) => it.id === id)
  const is = row ? contentOf(row) : 'null'
  // a page that is newer than the checkpoint may have it as a later transaction made it
  if (is === should && (newest >= latest || should === 'null')) return undefined
  return `${printable(text(key))} of ${store} is ${printable(is)} in its page of ${newest}; transaction ${latest} made it ${printable(should)}, the checkpoint is at ${seq}`
}

const levelsApart = 4

/** Keys as a real table reads them, one by one; pages of levels that are hardly there together with the one before. */
export const readApart = (keys: readonly StateKey[]): readonly (readonly StateKey[])[] => {
  const groups: StateKey[][] = []
  for (const key of keys) {
    const isRare = isPage(key) && placeOf(key.key).level > levelsApart
    if (isRare && groups.length > 0) groups.at(-1)?.push(key)
    else groups.push([key])
  }
  return groups
}
