let openStore: (table: GlobalKTable<never, never>) => string

/** The store that holds the table's rows, for verbs of other objects that take a global table. */
export const globalStoreOf = <K, V>(table: GlobalKTable<K, V>): string => openStore(table as unknown as GlobalKTable<never, never>)

/**
 * A table that every task of the application sees whole, however its topic is partitioned (Kafka's `GlobalKTable`): streams are joined
 * with it by any key, without a repartition. Made by `StreamsBuilder.globalTable`.
 */
export class GlobalKTable<K, V> {
  readonly #storeName: string
  /** Types only: what the rows are. */
  declare protected readonly row: readonly [K, V]

  static {
    openStore = (table) => table.#storeName
  }

  constructor(storeName: string) {
    this.#storeName = storeName
  }

  /** The name under which the table can be queried: its store's, a generated one too (D-58). */
  get queryableStoreName(): string {
    return this.#storeName
  }
}
