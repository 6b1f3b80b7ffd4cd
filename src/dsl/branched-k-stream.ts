import { branch, branchChild } from '../operators/branch.ts'
import type { Predicate } from '../operators/filter.ts'
import type { LogicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import { drawNamed, drawOperator, type Place } from './drawing.ts'
import type { KStream } from './k-stream.ts'
import type { Named } from './options.ts'

/** One branch of a split (Java's `Branched`, D-69): its name, and what becomes of its stream. */
export interface Branched<K, V> extends Named {
  /** Its result stands for the branch in the map that the split returns; nothing stands there if it returns nothing. */
  readonly function?: (stream: KStream<K, V>) => KStream<K, V> | undefined
  /** Gets the stream, which then is not in the map. */
  readonly consumer?: (stream: KStream<K, V>) => void
}

/**
 * A stream on its way to being split (Kafka's `BranchedKStream`, D-40). Each record goes to the first branch whose predicate
 * is true. The map at the end has the branches by name: the split's name and then the branch's name or its position, the
 * default branch being position 0.
 */
export class BranchedKStream<K, V> {
  readonly #place: Place<K, V>
  readonly #splitter: LogicalNode
  readonly #predicates: Predicate<K, V>[] = []
  readonly #children: string[] = []
  readonly #streams = new Map<string, KStream<K, V>>()

  constructor(place: Place<K, V>, { name }: Named) {
    this.#place = place
    const operator = branch<K, V>({ predicates: this.#predicates, children: this.#children })
    this.#splitter = drawOperator(place.drawing, place.node, operator, name)
  }

  /** The records for which the predicate is true and no earlier one was. */
  branch(predicate: Predicate<K, V>, branched: Branched<K, V> = {}): this {
    this.#predicates.push(predicate)
    this.#add(branched, this.#predicates.length)
    return this
  }

  /** The records that are left; ends the split. */
  defaultBranch(branched: Branched<K, V> = {}): ReadonlyMap<string, KStream<K, V>> {
    this.#add(branched, 0)
    return this.#streams
  }

  /** Drops the records that are left; ends the split. */
  noDefaultBranch(): ReadonlyMap<string, KStream<K, V>> {
    return this.#streams
  }

  #add(branched: Branched<K, V>, position: number): void {
    const { drawing } = this.#place
    const name = `${this.#splitter.spec.name}${branched.name === undefined ? position : checkName(branched.name)}`
    this.#children.push(name)
    // the child has its name from the split, but uses up a number all the same
    drawing.names.processor(name)
    const node = drawNamed(drawing, this.#splitter, branchChild<K, V>(), name)
    const stream = drawing.newStream<K, V>({ ...this.#place, node })
    if (branched.consumer) {
      branched.consumer(stream)
      return
    }
    const kept = branched.function ? branched.function(stream) : stream
    if (kept) this.#streams.set(name, kept)
  }
}
