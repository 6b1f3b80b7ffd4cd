import { describe, expect, it } from 'vitest'
import topology from '../../functions/sessions/topology.ts'
import { minutes } from '../../src/index.ts'
import { modes, runExample } from './run-example.ts'

const dayMs = Date.UTC(2026, 2, 3)
const line = (minute: number, host: string, status: number, bytes: number | '-' = 100) => {
  const time = new Date(dayMs + minutes(minute)).toISOString().slice(11, 19)
  return {
    topic: 'access-log',
    key: null,
    value: `${host} - - [03/Mar/2026:${time} +0000] "GET /a HTTP/1.1" ${status} ${bytes} "-" "x"`,
    timestamp: 0,
  }
}
const written = (host: string, [from, to]: readonly [number, number], value: object | null) =>
  `${JSON.stringify({ key: host, window: { startMs: dayMs + minutes(from), endMs: dayMs + minutes(to) } })}: ${JSON.stringify(value)} @${dayMs + minutes(to)}`

describe.each([...modes, ['with partitions', { partitions: { 'access-log': 3 } }]] as typeof modes)('sessions %s', (_name, options) => {
  it('grow with each request within half an hour, and become one when a late request comes between them', async () => {
    const inputs = [
      line(0, '10.0.0.1', 200),
      line(10, '10.0.0.1', 404, '-'),
      line(50, '10.0.0.2', 200),
      line(60, '10.0.0.1', 500, 20),
      { topic: 'access-log', key: null, value: 'no line of a log', timestamp: dayMs },
      line(35, '10.0.0.1', 200),
    ]
    const visit = (requests: number, bytes: number, errors: number) => ({ requests, bytes, errors })
    expect(await runExample(topology, inputs, options)).toEqual({
      visits: [
        written('10.0.0.1', [0, 0], visit(1, 100, 0)),
        written('10.0.0.1', [0, 0], null),
        written('10.0.0.1', [0, 10], visit(2, 100, 1)),
        written('10.0.0.2', [50, 50], visit(1, 100, 0)),
        written('10.0.0.1', [60, 60], visit(1, 20, 1)),
        written('10.0.0.1', [0, 10], null),
        written('10.0.0.1', [60, 60], null),
        written('10.0.0.1', [0, 60], visit(4, 220, 2)),
      ],
    })
  })
})
