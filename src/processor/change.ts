/** What flows between table nodes (Kafka's `Change`, S-16): the row after and, where somebody below asked for it, before. */
export interface Change<V> {
  readonly newValue: V | null
  readonly oldValue: V | null
  /** False where a versioned table has a newer row; it is true where it is not said. */
  readonly isLatest?: boolean
}
