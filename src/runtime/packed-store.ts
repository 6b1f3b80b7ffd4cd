import { keyId } from '../serde/serde.ts'
import { encodePage, groupOf, hashOf, indexAt, levelMax, type PackedRow, type PagePlace, packedBytes, startMsOf } from '../state/page.ts'
import type { Row } from '../state/rows.ts'
import type { StoreSpec } from '../topology/nodes.ts'
import { pageBytesDefault } from '../topology/table-options.ts'

/** A page as the table has it, or is to have it. */
export interface Page extends PagePlace {
  readonly seq: number
  readonly rows: readonly PackedRow[]
}

/** A page on its way to the table. */
export interface WrittenPage extends PagePlace {
  /** null: its rows are in pages of a higher level. */
  readonly value: Uint8Array | null
  /** The latest of its rows. */
  readonly timestamp: number
}

export interface PagesToWrite {
  readonly pages: readonly WrittenPage[]
  /** Tombstones of pages that those stand for: not before all of them are written. */
  readonly obsolete: readonly WrittenPage[]
}

/** What a page may grow to before it must be split whatever its group has: an item has 400 KB. */
const pageBytesLimit = 256 * 1024

interface Group {
  readonly name: string
  level: number
  bytes: number
  /** By index, at this level. */
  pages: Map<number, Map<string, PackedRow>>
  dirty: Set<number>
  /** Pages at this level that the table has or will have, with their seq. */
  readonly written: Map<number, number>
  /** Pages at other levels that the table has, with their seq. */
  readonly obsolete: Map<string, PagePlace & { readonly seq: number }>
}

/**
 * All committed rows of a packed store of one task, in the pages in which the table has them. A page has every row of its place as of its
 * seq: hence of several pages in which a row may be, at different levels, the one with the highest seq is right, whoever wrote the others. A
 * group whose rows have grown gets a higher level, never a lower one: first all of its new pages, then tombstones of the old ones with the same seq.
 */
export class PackedStore {
  readonly #hasWindows: boolean
  readonly #retentionMs: number
  readonly #pageBytes: number
  readonly #groups = new Map<string, Group>()
  /** Groups that a flush has something to do with. */
  readonly #open = new Set<Group>()
  #forgotten: string[] = []
  #everWritten = false
  #rowCount = 0
  #bytes = 0

  constructor({ kind, retentionMs = Number.POSITIVE_INFINITY, packed }: Pick<StoreSpec, 'kind' | 'retentionMs' | 'packed'>) {
    this.#hasWindows = kind === 'window'
    this.#retentionMs = retentionMs
    this.#pageBytes = packed?.pageBytes ?? pageBytesDefault
  }

  /**
   * Begins with what the table has. Pages at other levels than the highest of their group are obsolete, and what stands for them is written
   * anew. With `inLog` the log has all rows: those of the pages are of no use, and all pages are replaced.
   */
  load(pages: readonly Page[], { inLog, latestMs }: { readonly inLog: boolean; readonly latestMs: number }): void {
    const groups = Map.groupBy(pages, ({ group }) => group)
    for (const [name, own] of groups) {
      this.#everWritten = true
      if (this.#isOver(name, latestMs)) continue
      const group = this.#groupNamed(name)
      group.level = own.reduce((highest, { level }) => Math.max(highest, level), 0)
      for (const { level, index, seq } of own) {
        if (level === group.level) group.written.set(index, seq)
        else group.obsolete.set(`${level}/${index}`, { group: name, level, index, seq })
      }
      if (inLog) for (let index = 0; index < 2 ** group.level; index++) this.#mark(group, index)
      else for (const row of newestRows(own)) this.#set(group, row)
      if (group.obsolete.size > 0) this.#open.add(group)
    }
  }

  /** In no order. */
  *rows(): Generator<PackedRow> {
    for (const { pages } of this.#groups.values()) for (const page of pages.values()) yield* page.values()
  }

  /** How much it has; undefined where it never had a row. */
  get size(): { readonly rows: number; readonly bytes: number } | undefined {
    return this.#everWritten ? { rows: this.#rowCount, bytes: this.#bytes } : undefined
  }

  /** Rows of windows that have expired, by their ids, since the last call: nobody will ask for them. */
  takeForgotten(): readonly string[] {
    const taken = this.#forgotten
    this.#forgotten = []
    return taken
  }

  /** Takes in what was committed up to `seq`, the last per key, and answers the pages that have changed. `latestMs`: the latest window's start. */
  write(rows: Iterable<Row>, { seq, latestMs }: { readonly seq: number; readonly latestMs: number }): PagesToWrite {
    for (const row of rows) this.#take(row, latestMs)
    for (const group of this.#groups.values()) if (this.#isOver(group.name, latestMs)) this.#forget(group)
    const written: WrittenPage[] = []
    const obsolete: WrittenPage[] = []
    for (const group of this.#open) {
      this.#grow(group)
      obsolete.push(...this.#replace(group, seq))
      for (const index of group.dirty) {
        const rows = [...(group.pages.get(index)?.values() ?? [])]
        const timestamp = rows.reduce((latest, row) => Math.max(latest, row.timestamp), 0)
        written.push({ group: group.name, level: group.level, index, value: encodePage(rows), timestamp })
        group.written.set(index, seq)
      }
      group.dirty.clear()
      if (group.obsolete.size === 0) this.#open.delete(group)
    }
    if (written.length > 0) this.#everWritten = true
    return { pages: written, obsolete }
  }

  #take(row: Row, latestMs: number): void {
    const { key, id = keyId(key), value, timestamp, headers } = row
    const name = groupOf(id, this.#hasWindows)
    if (this.#isOver(name, latestMs)) {
      this.#forgotten.push(id)
      return
    }
    const group = this.#groupNamed(name)
    const index = indexAt(hashOf(id), group.level)
    // of a row that is deleted the table may have a page that nobody here knows
    this.#mark(group, index)
    if (value === null) this.#delete(group, index, id)
    else this.#set(group, headers ? { key, id, value, timestamp, headers } : { key, id, value, timestamp })
  }

  #set(group: Group, row: PackedRow): void {
    const index = indexAt(hashOf(row.id), group.level)
    this.#delete(group, index, row.id)
    const page = group.pages.get(index)
    if (page) page.set(row.id, row)
    else group.pages.set(index, new Map([[row.id, row]]))
    this.#count(group, { rows: 1, bytes: packedBytes(row) })
  }

  #delete(group: Group, index: number, id: string): void {
    const page = group.pages.get(index)
    const before = page?.get(id)
    if (!page || !before) return
    this.#count(group, { rows: -1, bytes: -packedBytes(before) })
    page.delete(id)
  }

  #count(group: Group, { rows, bytes }: { readonly rows: number; readonly bytes: number }): void {
    group.bytes += bytes
    this.#bytes += bytes
    this.#rowCount += rows
  }

  #mark(group: Group, index: number): void {
    group.dirty.add(index)
    this.#open.add(group)
  }

  /** More pages where there are too few: all of them are new. */
  #grow(group: Group): void {
    const level = this.#levelFor(group)
    if (level === group.level) return
    const pages = pagesAt(level, group)
    for (const [index, seq] of group.written)
      group.obsolete.set(`${group.level}/${index}`, { group: group.name, level: group.level, index, seq })
    // a group that the table does not have has nothing but what is new
    const all = group.obsolete.size > 0 ? Array.from({ length: 2 ** level }, (_, index) => index) : pages.keys()
    const deleted = group.obsolete.size > 0 ? [] : [...group.dirty]
    group.written.clear()
    group.dirty = new Set(all)
    for (const index of deleted) for (let at = index; at < 2 ** level; at += 2 ** group.level) group.dirty.add(at)
    group.level = level
    group.pages = pages
  }

  #levelFor(group: Group): number {
    let { level } = group
    if (group.bytes > 2 * this.#pageBytes * 2 ** level) level = Math.round(Math.log2(group.bytes / this.#pageBytes))
    level = Math.min(level, levelMax)
    // where hashes lie badly
    while (level < levelMax && isTooLarge(level, group)) level++
    return level
  }

  /** Tombstones of pages that are older than this flush; all pages that stand for them are written with it. */
  #replace(group: Group, seq: number): readonly WrittenPage[] {
    const old = [...group.obsolete].filter(([, page]) => page.seq < seq)
    for (const [at, { level, index }] of old) {
      group.obsolete.delete(at)
      for (let covering = index; covering < 2 ** group.level; covering += 2 ** level) group.dirty.add(covering)
    }
    return old.map(([, { group, level, index }]) => ({ group, level, index, value: null, timestamp: 0 }))
  }

  #forget(group: Group): void {
    for (const page of group.pages.values()) {
      for (const id of page.keys()) this.#forgotten.push(id)
      this.#rowCount -= page.size
    }
    this.#bytes -= group.bytes
    this.#groups.delete(group.name)
    this.#open.delete(group)
  }

  /** As a window store has it: as soon as later windows leave it behind by the retention time. */
  #isOver(group: string, latestMs: number): boolean {
    return this.#hasWindows && startMsOf(group) <= latestMs - this.#retentionMs
  }

  #groupNamed(name: string): Group {
    const known = this.#groups.get(name)
    if (known) return known
    const group = { name, level: 0, bytes: 0, pages: new Map(), dirty: new Set<number>(), written: new Map(), obsolete: new Map() }
    this.#groups.set(name, group)
    return group
  }
}

const pagesAt = (level: number, group: Group): Map<number, Map<string, PackedRow>> => {
  if (level === group.level) return group.pages
  const pages: Group['pages'] = new Map()
  for (const page of group.pages.values())
    for (const [id, row] of page) {
      const index = indexAt(hashOf(id), level)
      const own = pages.get(index)
      if (own) own.set(id, row)
      else pages.set(index, new Map([[id, row]]))
    }
  return pages
}

/** Whether an item would not take one of its pages. */
const isTooLarge = (level: number, group: Group): boolean => {
  if (group.bytes <= pageBytesLimit) return false
  for (const page of pagesAt(level, group).values()) {
    let bytes = 0
    for (const row of page.values()) bytes += packedBytes(row)
    if (bytes > pageBytesLimit) return true
  }
  return false
}

/** The rows of the pages of one group: each as the newest page has it in which it may be. */
export const newestRows = (pages: readonly Page[]): readonly PackedRow[] => {
  const levels = [...new Set(pages.map(({ level }) => level))]
  if (levels.length === 1) return pages.flatMap(({ rows }) => rows)
  const seqs = new Map(pages.map(({ level, index, seq }) => [`${level}/${index}`, seq]))
  const isNewest = (id: string, page: Page): boolean =>
    levels.every((level) => (seqs.get(`${level}/${indexAt(hashOf(id), level)}`) ?? 0) <= page.seq)
  return pages.flatMap((page) => page.rows.filter(({ id }) => isNewest(id, page)))
}
