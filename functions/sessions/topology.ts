import { hours, minutes, Serdes, StreamsBuilder, session } from 'millrace'

interface Request {
  readonly path: string
  readonly status: number
  readonly bytes: number
}

interface Visit {
  readonly requests: number
  readonly bytes: number
  readonly errors: number
}

/** A line of the common log format, as web servers write it. */
const format =
  /^(?<host>\S+) \S+ \S+ \[(?<day>\d+)\/(?<month>\w+)\/(?<year>\d+):(?<time>\S+) (?<zone>\S+)\] "\S+ (?<path>\S+)[^"]*" (?<status>\d+) (?<bytes>\d+|-)/

const timeOf = (line: string): number => {
  const { day, month, year, time, zone } = format.exec(line)?.groups ?? {}
  return Date.parse(`${day} ${month} ${year} ${time} ${zone}`)
}

const requestsOf = (line: string): readonly (readonly [host: string, request: Request])[] => {
  const { host, path = '', status, bytes } = format.exec(line)?.groups ?? {}
  return host === undefined ? [] : [[host, { path, status: Number(status), bytes: Number(bytes) || 0 }]]
}

const builder = new StreamsBuilder()

builder
  .stream('access-log', {
    keySerde: Serdes.string,
    valueSerde: Serdes.string,
    timestampExtractor: ({ value, timestamp }) => timeOf(value) || timestamp,
  })
  .flatMap((_key, line) => requestsOf(line))
  .groupByKey({ name: 'by-host', keySerde: Serdes.string, valueSerde: Serdes.json() })
  .windowedBy(session({ inactivityGapMs: minutes(30), graceMs: hours(24) }))
  .aggregate(
    () => ({ requests: 0, bytes: 0, errors: 0 }),
    (_host, { status, bytes }, visit) => ({
      requests: visit.requests + 1,
      bytes: visit.bytes + bytes,
      errors: visit.errors + (status >= 400 ? 1 : 0),
    }),
    (_host, a, b) => ({ requests: a.requests + b.requests, bytes: a.bytes + b.bytes, errors: a.errors + b.errors }),
    { store: { name: 'visits', valueSerde: Serdes.json<Visit>() } },
  )
  .toStream()
  .to('visits')

export default builder.build()
