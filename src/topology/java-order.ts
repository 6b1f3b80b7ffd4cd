/**
 * The iteration orders of Java's collections. `Topology.describe()` prints sets in them (T-03), so equal text needs equal order.
 */

/** Java's `String.hashCode`. */
export const stringHashCode = (text: string): number => {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0
  return hash
}

/** Iteration order of a `HashSet<String>` (or the keys of a `HashMap`) after adding the names one by one. */
export const hashSetOrder = (names: Iterable<string>): readonly string[] => {
  const distinct = [...new Set(names)]
  let capacity = 16
  while (distinct.length > capacity * 0.75) capacity *= 2
  return byBucket(distinct, capacity)
}

/** Iteration order of `new HashSet<>(collection)`, which sizes its table for the collection first. */
export const hashSetCopyOrder = (names: Iterable<string>): readonly string[] => {
  const distinct = [...new Set(names)]
  let capacity = 16
  while (capacity < Math.floor(distinct.length / 0.75) + 1) capacity *= 2
  return byBucket(distinct, capacity)
}

const byBucket = (names: readonly string[], capacity: number): readonly string[] => {
  const bucket = (name: string): number => {
    const hash = stringHashCode(name)
    return (hash ^ (hash >>> 16)) & (capacity - 1)
  }
  return names
    .map((name, at) => ({ name, at, bucket: bucket(name) }))
    .sort((a, b) => a.bucket - b.bucket || a.at - b.at)
    .map((entry) => entry.name)
}

interface Entry<T> {
  readonly item: T
  left: Entry<T> | undefined
  right: Entry<T> | undefined
  parent: Entry<T> | undefined
  red: boolean
}

/**
 * Java's `TreeSet` (red-black tree of `TreeMap`), insertion only. It is needed as a tree because `describe()` changes what the
 * comparator sees after items were inserted: where an item ends up depends on the shape that the tree had at that moment.
 */
export class JavaTreeSet<T> {
  #root: Entry<T> | undefined
  readonly #compare: (a: T, b: T) => number

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  add(item: T): void {
    let parent: Entry<T> | undefined
    let order = 0
    for (let at = this.#root; at; at = order < 0 ? at.left : at.right) {
      parent = at
      order = this.#compare(item, at.item)
      if (order === 0) return
    }
    const entry: Entry<T> = { item, left: undefined, right: undefined, parent, red: true }
    if (!parent) this.#root = entry
    else if (order < 0) parent.left = entry
    else parent.right = entry
    this.#balance(entry)
  }

  *[Symbol.iterator](): Generator<T> {
    yield* walk(this.#root)
  }

  #balance(inserted: Entry<T>): void {
    let entry = inserted
    while (entry.parent?.red && entry.parent.parent) {
      const grand: Entry<T> = entry.parent.parent
      const onLeft = entry.parent === grand.left
      const uncle = onLeft ? grand.right : grand.left
      if (uncle?.red) {
        entry.parent.red = false
        uncle.red = false
        grand.red = true
        entry = grand
        continue
      }
      if (entry === (onLeft ? entry.parent.right : entry.parent.left)) {
        entry = entry.parent
        this.#rotate(entry, onLeft)
      }
      if (entry.parent) entry.parent.red = false
      grand.red = true
      this.#rotate(grand, !onLeft)
    }
    if (this.#root) this.#root.red = false
  }

  #rotate(entry: Entry<T>, toLeft: boolean): void {
    const up = toLeft ? entry.right : entry.left
    if (!up) return
    const moved = toLeft ? up.left : up.right
    if (toLeft) entry.right = moved
    else entry.left = moved
    if (moved) moved.parent = entry
    up.parent = entry.parent
    if (!entry.parent) this.#root = up
    else if (entry.parent.left === entry) entry.parent.left = up
    else entry.parent.right = up
    if (toLeft) up.left = entry
    else up.right = entry
    entry.parent = up
  }
}

function* walk<T>(entry: Entry<T> | undefined): Generator<T> {
  if (!entry) return
  yield* walk(entry.left)
  yield entry.item
  yield* walk(entry.right)
}
