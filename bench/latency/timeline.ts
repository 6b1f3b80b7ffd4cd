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
  /** Everything below this offset of its source is processed. */
  readonly end: number
  readonly transactions: number
  readonly spans: readonly Span[]
}

/** A sub-topology's part of a run. */
export interface Stage {
  /** When the event source handed over each event. */
  readonly invokedMs: readonly number[]
  /** Of the same invocations, in order. */
  readonly lines: readonly InvocationLine[]
  /** In offset order; the time is that of the record that it came from. */
  readonly records: readonly { readonly offset: number; readonly timestamp: number }[]
}

/** Mean milliseconds that records spent on each part of the way; they add up to the mean latency, but for `table`, which comes behind the commit. */
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

/** Means over the records of a stage, each by the invocation that committed it; times count from the record's own. */
const ofStage = ({ invokedMs, lines, records }: Stage, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }) => {
  const found: { readonly line: InvocationLine; readonly invokedMs: number; readonly timestamp: number }[] = []
  let at = 0
  for (const { offset, timestamp } of records) {
    while (at < lines.length && ((lines[at]?.end ?? 0) <= offset || lines[at]?.transactions === 0)) at++
    const line = lines[at]
    if (line && timestamp >= fromMs && timestamp < toMs) found.push({ line, invokedMs: invokedMs[at] ?? 0, timestamp })
  }
  const meanOf = (value: (one: (typeof found)[number]) => number): number => mean(found.map(value))
  const committedAt = ({ spans }: InvocationLine): number => spans.findLast(({ name }) => name === 'EndTxn')?.toMs ?? Number.NaN
  return {
    invokedMs: meanOf((one) => one.invokedMs - one.timestamp),
    invokeMs: meanOf((one) => one.line.enteredMs - one.invokedMs),
    committedMs: meanOf(({ line, timestamp }) => committedAt(line) - timestamp),
    requestMs: Object.fromEntries(requests.map((name) => [name, meanOf(({ line }) => spent(line, name))])) as Record<
      (typeof requests)[number],
      number
    >,
    tableMs: mean(lines.filter(({ transactions }) => transactions > 0).map((line) => spent(line, 'table'))),
  }
}
