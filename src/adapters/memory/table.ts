import type {
  BellRequest,
  Checkpoint,
  LeaseRequest,
  ReleaseRequest,
  StateKey,
  StateRange,
  StateRow,
  TableBackend,
  TaskId,
  TaskItem,
} from '../../state/backend.ts'
import { assertRowFits } from '../../state/backend.ts'

/**
 * The table of the embedded engine and of tests: DynamoDB's conditions over maps. Rows are kept as they were given, so
 * nobody may change the bytes of a row afterwards. With `now` a row is gone as soon as it has expired; without, nothing expires:
 * `expiresAtSeconds` is only carried along.
 */
export function createMemoryTable({ now }: { readonly now?: () => number } = {}): TableBackend {
  const tasks = createTaskItems()
  const rows = createRows(now)
  const metrics = { requests: 0, rowsRead: 0, rowsWritten: 0 }
  const counted = <T>(value: T): T => {
    metrics.requests++
    return value
  }
  return {
    metrics,
    async ensure() {},
    readTask: async (task) => counted(tasks.read(task)),
    acquire: async (task, lease) => counted(tasks.acquire(task, lease)),
    ring: async (task, bell) => counted(tasks.ring(task, bell)),
    release: async (task, request) => counted(tasks.release(task, request)),
    checkpoint: async (task, checkpoint) => counted(tasks.checkpoint(task, checkpoint)),
    async put(written) {
      for (const row of written) assertRowFits(row)
      metrics.requests++
      metrics.rowsWritten += written.length
      for (const row of written) rows.put(row)
    },
    async get(keys) {
      metrics.requests++
      metrics.rowsRead += keys.length
      return keys.map(rows.get)
    },
    async *query(range) {
      for (const page of rows.pages(range)) {
        metrics.requests++
        metrics.rowsRead += page.length
        yield page
      }
    },
    wipe: async (space) => counted(rows.wipe(space)),
    async close() {},
  }
}

function createTaskItems() {
  const items = new Map<string, TaskItem>()
  const nameOf = (task: TaskId) => `${task.subTopology}/${task.partition}`
  const read = (task: TaskId) => items.get(nameOf(task))
  const write = (task: TaskId, change: Partial<TaskItem>): TaskItem => {
    const item = { checkpoint: undefined, bells: {}, lease: undefined, ...read(task), ...change }
    items.set(nameOf(task), item)
    return item
  }

  function acquire(task: TaskId, { token, source, expiresAtMs, nowMs, steal }: LeaseRequest) {
    const item = read(task)
    const held = item?.lease
    const won = !held || held.token === token || held.expiresAtMs < nowMs || (steal && held.source === source)
    if (item && !won) return { won, item }
    return { won, item: write(task, { lease: { token, source, expiresAtMs } }) }
  }

  function ring(task: TaskId, { token, topic, target }: BellRequest): 'rung' | 'free' {
    const item = read(task)
    if (!item?.lease || item.lease.token === token) return 'free'
    if ((item.bells[topic] ?? -1) < target) write(task, { bells: { ...item.bells, [topic]: target } })
    return 'rung'
  }

  function release(task: TaskId, { token, checkpoint, sources, handover, deferred = false }: ReleaseRequest) {
    const item = read(task)
    const seq = item?.checkpoint?.seq ?? -1
    const told = deferred ? Math.max(seq, item?.deferredSeq ?? -1) : seq
    if (!item?.lease) return { released: !checkpoint || told >= checkpoint.seq, item }
    const merged = checkpoint ? merge(item.checkpoint, checkpoint) : item.checkpoint
    const answered = (topic: string) => {
      const bell = item.bells[topic]
      const position = merged?.positions[topic]
      return bell === undefined || (position !== undefined && bell <= position)
    }
    const allowed = item.lease.token === token && (!checkpoint || seq <= checkpoint.seq) && (handover || sources.every(answered))
    if (!allowed) return { released: false, item }
    const change = { lease: undefined, bells: raise(item.bells, handover?.bell) }
    if (!deferred) return { released: true, item: write(task, { ...change, checkpoint: merged }) }
    return { released: true, item: write(task, { ...change, ...(checkpoint && { deferredSeq: checkpoint.seq }) }) }
  }

  function checkpoint(task: TaskId, next: Checkpoint): void {
    const current = read(task)?.checkpoint
    if (!current || current.seq < next.seq) write(task, { checkpoint: merge(current, next) })
  }

  return { read, acquire, ring, release, checkpoint }
}

/** What a checkpoint does not name stays, as single attributes of an item do. */
const merge = (current: Checkpoint | undefined, next: Checkpoint): Checkpoint => ({
  ...(current?.wakeMs === undefined ? {} : { wakeMs: current.wakeMs }),
  ...next,
  positions: { ...current?.positions, ...next.positions },
})

function raise(bells: TaskItem['bells'], bell: { readonly topic: string; readonly target: number } | undefined): TaskItem['bells'] {
  return !bell || (bells[bell.topic] ?? -1) >= bell.target ? bells : { ...bells, [bell.topic]: bell.target }
}

const pageRowsMax = 1000

/** One key space: `keys` holds every key once, in order only while `sorted`. */
interface KeySpace {
  readonly rows: Map<string, StateRow>
  keys: string[]
  sorted: boolean
}

function createRows(now: (() => number) | undefined) {
  const spaces = new Map<string, KeySpace>()
  let lastId: Omit<StateKey, 'key'> | undefined
  let lastSpace: KeySpace | undefined

  // Rows come in runs of one store: comparing four fields is cheaper than building the name of the space each time.
  function spaceOf(id: Omit<StateKey, 'key'>): KeySpace {
    const same =
      lastId?.store === id.store && lastId.partition === id.partition && lastId.gen === id.gen && lastId.subTopology === id.subTopology
    if (same && lastSpace) return lastSpace
    const name = `${id.subTopology}/${id.partition}/${id.gen}/${id.store}`
    let space = spaces.get(name)
    if (!space) {
      space = { rows: new Map(), keys: [], sorted: true }
      spaces.set(name, space)
    }
    lastId = id
    lastSpace = space
    return space
  }

  const isThere = (row: StateRow | undefined): row is StateRow =>
    row !== undefined && (now === undefined || row.expiresAtSeconds === undefined || row.expiresAtSeconds * 1000 > now())

  function put(row: StateRow): void {
    const space = spaceOf(row)
    const { id: key = latin1(row.key) } = row
    const known = space.rows.get(key)
    const current = isThere(known) ? known : undefined
    if (current && current.seq >= row.seq) return
    if (!known) {
      space.keys.push(key)
      space.sorted = false
    }
    space.rows.set(key, row)
  }

  const get = (key: StateKey): StateRow | undefined => {
    const row = spaceOf(key).rows.get(key.id ?? latin1(key.key))
    return isThere(row) ? row : undefined
  }

  function* pages(range: StateRange): Generator<readonly StateRow[]> {
    const space = spaceOf(range)
    // UTF-16 order of latin1 strings is unsigned byte order; appended keys behind a sorted run cost one merge.
    if (!space.sorted) space.keys.sort()
    space.sorted = true
    const from = range.from ? firstNotBelow(space.keys, latin1(range.from), false) : 0
    const to = range.to ? firstNotBelow(space.keys, latin1(range.to), true) : space.keys.length
    const keys = space.keys.slice(from, Math.max(from, to))
    if (range.reverse) keys.reverse()
    for (let at = 0; at < keys.length; at += pageRowsMax) {
      const page: StateRow[] = []
      for (const key of keys.slice(at, at + pageRowsMax)) {
        const row = space.rows.get(key)
        if (isThere(row) && row.value !== null) page.push(row)
      }
      if (page.length > 0) yield page
    }
  }

  function wipe(id: Omit<StateKey, 'key'>): number {
    const space = spaceOf(id)
    const gone = space.keys.slice(0, pageRowsMax)
    for (const key of gone) space.rows.delete(key)
    space.keys = space.keys.slice(gone.length)
    return gone.length
  }

  return { put, get, pages, wipe }
}

/** Index of the first key at or above the bound; `above`: strictly above it. */
function firstNotBelow(keys: readonly string[], bound: string, above: boolean): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const key = keys[middle] as string
    if (key < bound || (above && key === bound)) low = middle + 1
    else high = middle
  }
  return low
}

// Below some 40 bytes fromCharCode beats the call into Buffer's native decoder (measured: 330 against 1,100 ns at 8 bytes).
const latin1 = (bytes: Uint8Array): string =>
  bytes.length < 40
    ? Reflect.apply(String.fromCharCode, null, bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
