/** A request of an invocation; times are Unix milliseconds with fractions. */
export interface Span {
  /** Kafka's name of the request, or `table`. */
  readonly name: string
  readonly fromMs: number
  readonly toMs: number
}

/** What a function tells of one invocation. */
export interface InvocationLine {
  readonly enteredMs: number
  readonly leftMs: number
  /** How many records of its source each transaction has read, in their order. */
  readonly commits: readonly number[]
  readonly spans: readonly Span[]
}

/** A sub-topology's part of a run. */
export interface Stage {
  /** When the event source handed over each event. */
  readonly invokedMs: readonly number[]
  /** Of the same invocations, in order. */
  readonly lines: readonly InvocationLine[]
  /** In offset order, each as often as it was delivered; the time is that of the record that it came from. */
  readonly records: readonly { readonly offset: number; readonly timestamp: number }[]
}

/**
 * Mean milliseconds that records spent on each part of the way; they add up to the mean latency, but for `table`, which comes behind the
 * commit. What an invocation takes while it writes rows was not invoked for: its way begins with the Fetch.
 */
export interface Hops {
  /**
   * From the record, or from the commit that wrote it, to the event: poll, batching window, and the invocation before. Below zero where
   * most records came while the invocation that took them was under way.
   */
  readonly 'event source': number
  /** To the handler's first line: thaw, Runtime API, JSON. */
  readonly invoke: number
  readonly Fetch: number
  readonly AddPartitionsToTxn: number
  readonly Produce: number
  readonly EndTxn: number
  /** What is left between the handler's first line and the answer to EndTxn. */
  readonly compute: number
  /** From the answer to EndTxn until a reader has the output. */
  readonly visible: number
  /** Rows and checkpoint, per invocation: the next one waits for them. */
  readonly table: number
}

const requests = ['Fetch', 'AddPartitionsToTxn', 'Produce', 'EndTxn'] as const
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
const spent = ({ spans }: InvocationLine, name: string): number =>
  spans.reduce((sum, span) => sum + (span.name === name ? span.toMs - span.fromMs : 0), 0)

/** Where the time went, of the records in a span of time; `seenMs` is the mean latency of their outputs. */
export const hopsOf = (stages: readonly Stage[], during: { readonly fromMs: number; readonly toMs: number }, seenMs: number): Hops => {
  const all = { 'event source': 0, invoke: 0, Fetch: 0, AddPartitionsToTxn: 0, Produce: 0, EndTxn: 0, compute: 0, table: 0 }
  let committedMs = 0
  for (const stage of stages) {
    const found = ofStage(stage, during)
    all['event source'] += found.invokedMs - committedMs
    all.invoke += found.invokeMs
    for (const name of requests) all[name] += found.requestMs[name]
    all.table += found.tableMs
    all.compute += found.committedMs - found.invokedMs - found.invokeMs - requests.reduce((sum, name) => sum + found.requestMs[name], 0)
    committedMs = found.committedMs
  }
  return { ...all, visible: seenMs - committedMs }
}

/** A transaction, and how what it read came to it. */
interface Transaction {
  readonly invokedMs: number
  readonly enteredMs: number
  readonly committedMs: number
  readonly records: number
  readonly requestMs: Readonly<Record<(typeof requests)[number], number>>
}

const transactionsOf = (line: InvocationLine, invokedMs: number): readonly Transaction[] => {
  const ends = line.spans.filter(({ name }) => name === 'EndTxn')
  return line.commits.map((records, at) => {
    const [fromMs, committedMs] = [ends[at - 1]?.toMs ?? line.enteredMs, ends[at]?.toMs ?? Number.NaN]
    const own = line.spans.filter((span) => span.name !== 'Fetch' && span.fromMs >= fromMs && span.toMs <= committedMs)
    const begunMs = own.find(({ name }) => name === 'AddPartitionsToTxn')?.fromMs ?? committedMs
    const input = line.spans.findLast(({ name, toMs }) => name === 'Fetch' && toMs <= begunMs)
    const spentOn = (name: string): number => own.reduce((sum, span) => sum + (span.name === name ? span.toMs - span.fromMs : 0), 0)
    const inputMs = input ? input.toMs - input.fromMs : 0
    const lookedMs = input?.fromMs ?? fromMs
    return {
      ...{ committedMs, records, invokedMs: at === 0 ? invokedMs : lookedMs, enteredMs: at === 0 ? line.enteredMs : lookedMs },
      requestMs: { ...Object.fromEntries(requests.map((name) => [name, spentOn(name)])), Fetch: inputMs } as Transaction['requestMs'],
    }
  })
}

/** Means over the records of a stage, each by the transaction that committed it; times count from the record's own. */
const ofStage = ({ invokedMs, lines, records }: Stage, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }) => {
  const transactions = lines.flatMap((line, at) => transactionsOf(line, invokedMs[at] ?? 0))
  const found: (Transaction & { readonly timestamp: number })[] = []
  let [at, left, next] = [0, transactions[0]?.records ?? 0, 0]
  for (const { offset, timestamp } of records) {
    // delivered again
    if (offset < next) continue
    next = offset + 1
    while (left === 0 && at < transactions.length) left = transactions[++at]?.records ?? 0
    left--
    const transaction = transactions[at]
    if (transaction && timestamp >= fromMs && timestamp < toMs) found.push({ ...transaction, timestamp })
  }
  const meanOf = (value: (one: (typeof found)[number]) => number): number => mean(found.map(value))
  return {
    invokedMs: meanOf((one) => one.invokedMs - one.timestamp),
    invokeMs: meanOf((one) => one.enteredMs - one.invokedMs),
    committedMs: meanOf((one) => one.committedMs - one.timestamp),
    requestMs: Object.fromEntries(requests.map((name) => [name, meanOf(({ requestMs }) => requestMs[name])])) as Transaction['requestMs'],
    tableMs: mean(lines.filter(({ commits }) => commits.length > 0).map((line) => spent(line, 'table'))),
  }
}
