import type { Mutant } from './mutant.ts'

const flush = 'src/runtime/flush.ts'
const packedStore = 'src/runtime/packed-store.ts'
const pages = 'src/runtime/pages.ts'
const apps = ['packed'] as const

/** Of the rules for rows in pages: what of several pages counts, and in which order they come and go. */
export const pageMutants: readonly Mutant[] = [
  {
    rule: 'pages, order',
    without: 'tombstones of old pages are written before the pages that stand for them',
    apps,
    patches: [{ file: flush, find: 'for (const some of [written, obsolete])', replace: 'for (const some of [obsolete, written])' }],
  },
  {
    rule: 'pages, seq',
    without: 'a page has the number of the transaction with which the invocation began',
    apps,
    patches: [{ file: flush, find: 'seq: commit.seq, nowMs', replace: 'seq: begin.seq, nowMs' }],
  },
  {
    rule: 'pages, all of a level',
    without: 'a level that is new has only the pages that have rows',
    apps,
    patches: [
      {
        file: packedStore,
        find: 'const all = group.obsolete.size > 0 ? Array.from({ length: 2 ** level }, (_, index) => index) : pages.keys()',
        replace: 'const all = pages.keys()',
      },
      {
        file: packedStore,
        find: '      for (let covering = index; covering < 2 ** group.level; covering += 2 ** level) group.dirty.add(covering)\n',
        replace: '',
      },
    ],
  },
  {
    rule: 'pages, after a load',
    without: 'pages are not written anew before tombstones of older ones that were found beside them',
    apps,
    patches: [
      {
        file: packedStore,
        find: '      for (let covering = index; covering < 2 ** group.level; covering += 2 ** level) group.dirty.add(covering)\n',
        replace: '',
      },
    ],
  },
  {
    rule: 'pages, newest by load',
    without: 'who reads all pages takes those of the highest level, whatever their transactions',
    apps,
    patches: [
      {
        file: packedStore,
        find: '(seqs.get(`${level}/${indexAt(hashOf(id), level)}`) ?? 0) <= page.seq',
        replace: 'level <= page.level || !seqs.has(`${level}/${indexAt(hashOf(id), level)}`)',
      },
    ],
  },
  {
    rule: 'pages, newest by query',
    without: 'a query takes the page of the lowest level',
    apps,
    patches: [{ file: pages, find: 'else if (item && item.seq >= (newest?.seq ?? 0))', replace: 'else if (item && !newest)' }],
  },
  {
    rule: 'R8, pages',
    without: 'a delete of a row that nobody here knows writes no page',
    apps,
    patches: [
      {
        file: packedStore,
        find: '    this.#mark(group, index)\n    if (value === null)',
        replace: '    if (value !== null || group.pages.get(index)?.has(id)) this.#mark(group, index)\n    if (value === null)',
      },
    ],
  },
  {
    rule: 'pages, expired windows',
    without: 'windows are forgotten as soon as a later one comes',
    apps,
    patches: [{ file: packedStore, find: 'startMsOf(group) <= latestMs - this.#retentionMs', replace: 'startMsOf(group) < latestMs' }],
  },
  {
    rule: 'pages, rebuilt',
    without: 'rows of pages are used although the log has all rows',
    apps: ['packing'],
    patches: [
      {
        file: 'src/runtime/packed-load.ts',
        find: 'const inLog = rebuilt || (added?.has(store.name) ?? false)',
        replace: 'const inLog = false && rebuilt && added',
      },
    ],
    coveredBy: 'the deletes, which the log keeps for seven days: no run takes longer',
  },
  {
    rule: 'pages, checkpoint',
    without: 'a checkpoint says of a changelog in pages what it says of one in rows',
    apps: ['packing'],
    patches: [
      {
        file: 'src/runtime/named-ends.ts',
        find: '`${topic}${form.slice(store.name.length)}`',
        replace: '`${topic}${form.slice(form.length)}`',
      },
    ],
  },
]
