export const recordsPerBatch = 1_000
/** Most of what comes again has come by then. */
export const warmUpBatches = 100
export const batches = Number(process.env.MILLRACE_BENCH_BATCHES ?? 700)
export const seed = 'scale-state'
/** Of every request to the table, log-normal: what DynamoDB promises nobody, and what users of it tell. */
export const latency = { p50Ms: 5, p99Ms: 25 }
