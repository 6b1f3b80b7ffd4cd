import { type Operator, stateless } from './operator.ts'

/** How records are printed (Java's `Printed`, D-70). */
export interface Printed<K, V> {
  /** Default: the name of the node above. */
  readonly label?: string
  /** Default: key, comma, value. */
  readonly mapper?: (key: K, value: V) => string
  /** Default: a line on standard output. */
  readonly write?: (line: string) => void
}

/** Writes `[label]: key, value` for each record; the stream ends here (`KStreamPrint`, D-15). A record may be printed again after a failure. */
export const print = <K, V>({ label = '', mapper, write = (line) => console.log(line) }: Printed<K, V>): Operator => ({
  prefix: 'KSTREAM-PRINTER-',
  changesKey: false,
  changesValue: false,
  supplier: stateless<K, V, never, never>(({ key, value }) => write(`[${label}]: ${mapper ? mapper(key, value) : `${key}, ${value}`}`)),
})
