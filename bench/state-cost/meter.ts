import { Agent, createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import { itemBytes, readUnits, valueBytes, type WireItem, type WireValue, writeUnits } from './units.ts'

/** What went through the meter since it was last reset. */
export interface Metered {
  readonly requests: Readonly<Record<string, number>>
  readonly writeUnits: number
  readonly readUnits: number
  /** Bodies of requests and answers. */
  readonly bytes: number
}

interface Statement {
  readonly Statement: string
  readonly Parameters: readonly WireValue[]
}
type Write = Readonly<{
  Item?: WireItem
  Key?: WireItem
  UpdateExpression?: string
  ExpressionAttributeNames?: Readonly<Record<string, string>>
  ExpressionAttributeValues?: WireItem
}>
/** As much of requests and answers as is counted. */
interface Body {
  readonly Statements?: readonly Statement[]
  readonly Responses?: readonly { readonly Error?: unknown }[] | Readonly<Record<string, readonly WireItem[]>>
  readonly RequestItems?: Readonly<
    Record<string, { readonly Keys?: readonly WireItem[] } | readonly { readonly PutRequest?: { readonly Item: WireItem } }[]>
  >
  readonly TransactItems?: readonly { readonly Put?: Write; readonly Update?: Write }[]
  readonly Items?: readonly WireItem[]
  readonly Item?: WireItem
  readonly Attributes?: WireItem
  readonly __type?: string
}

/** What each item of the table has, by the writes that were answered: bytes of its attributes by their names. */
type Shadow = Map<string, ReadonlyMap<string, number>>

const identity = ({ pk, sk }: WireItem): string => `${Object.values(pk ?? {})}\n${Object.values(sk ?? {})}`
const sizes = (item: WireItem): ReadonlyMap<string, number> =>
  new Map(Object.entries(item).map(([name, value]) => [name, Buffer.byteLength(name) + valueBytes(value)]))
const total = (attributes: ReadonlyMap<string, number> | undefined): number =>
  [...(attributes?.values() ?? [])].reduce((sum, bytes) => sum + bytes, 0)

/** What a statement of ours writes to which item; its text is `INSERT ... VALUE {'a':?,...}` or `UPDATE ... SET a=? REMOVE b WHERE pk=? AND sk=? AND q<?`. */
const ofStatement = ({
  Statement: text,
  Parameters: values,
}: Statement): { readonly set: WireItem; readonly removed: readonly string[] } => {
  const names = text.startsWith('INSERT') ? [...text.matchAll(/'(\w+)':\?/g)] : [...text.matchAll(/(?:SET |WHERE |AND )(\w+)=\?/g)]
  const set = Object.fromEntries(names.map(([, name], at) => [name as string, values[at] as WireValue]))
  return { set, removed: [...text.matchAll(/REMOVE (\w+)/g)].map(([, name]) => name as string) }
}

const ofUpdate = ({ Key = {}, UpdateExpression: text = '', ...update }: Write): ReturnType<typeof ofStatement> => {
  const nameOf = (name: string): string => update.ExpressionAttributeNames?.[name] ?? name
  const [sets = '', removes = ''] = text.replace(/^SET /, '').split(/ ?REMOVE /)
  const set = [...sets.matchAll(/([#\w]+) = (:\w+)/g)].map(([, name = '', value = '']) => [
    nameOf(name),
    update.ExpressionAttributeValues?.[value] as WireValue,
  ])
  return {
    set: { ...Key, ...Object.fromEntries(set) },
    removed: removes
      .split(', ')
      .filter((name) => name !== '')
      .map(nameOf),
  }
}

const createCounts = () => {
  const shadow: Shadow = new Map()
  let counts = { requests: {} as Record<string, number>, writeUnits: 0, readUnits: 0, bytes: 0 }
  const write = ({ set, removed }: ReturnType<typeof ofStatement>, { done, times = 1 }: { done: boolean; times?: number }): void => {
    const id = identity(set)
    const before = shadow.get(id)
    const after = new Map([...(before ?? []), ...sizes(set)])
    for (const name of removed) after.delete(name)
    counts.writeUnits += times * writeUnits(Math.max(total(before), done ? total(after) : 0))
    if (done) shadow.set(id, after)
  }
  const read = (items: readonly WireItem[]): void => {
    for (const item of items) counts.readUnits += readUnits(itemBytes(item))
  }
  const asPut = ({ Item = {} }: Write) => ({ set: Item, removed: [] })
  /** Of an operation that was answered; a failed condition is billed, anything else that failed is not. */
  const count = (operation: string, asked: Body & Write, answer: Body, ok: boolean): void => {
    counts.requests[operation] = (counts.requests[operation] ?? 0) + 1
    if (!ok && !/ConditionalCheckFailed|TransactionCanceled/.test(answer.__type ?? '')) return
    if (operation === 'BatchExecuteStatement')
      for (const [at, statement] of (asked.Statements ?? []).entries())
        write(ofStatement(statement), { done: !(answer.Responses as readonly { readonly Error?: unknown }[])[at]?.Error })
    if (operation === 'PutItem') write(asPut(asked), { done: ok })
    if (operation === 'UpdateItem') write(ofUpdate(asked), { done: ok })
    for (const { Put, Update } of asked.TransactItems ?? []) write(Put ? asPut(Put) : ofUpdate(Update ?? {}), { done: ok, times: 2 })
    if (operation === 'GetItem') read([answer.Item ?? {}])
    if (operation === 'Query') counts.readUnits += readUnits((answer.Items ?? []).reduce((sum, item) => sum + itemBytes(item), 0))
    for (const [table, items] of Object.entries(asked.RequestItems ?? {})) {
      const found = (answer.Responses as Readonly<Record<string, readonly WireItem[]>> | undefined)?.[table] ?? []
      if ('Keys' in items) {
        read(found)
        counts.readUnits += (items.Keys?.length ?? 0) - found.length
      } else
        for (const { PutRequest } of items as readonly { readonly PutRequest?: { readonly Item: WireItem } }[])
          if (PutRequest) write(asPut(PutRequest), { done: ok })
    }
  }
  return {
    count,
    moved: (bytes: number): void => {
      counts.bytes += bytes
    },
    get metered(): Metered {
      return counts
    },
    reset: (): void => {
      counts = { requests: {}, writeUnits: 0, readUnits: 0, bytes: 0 }
    },
  }
}

/**
 * Stands before a DynamoDB and counts requests, units and bytes by the rules of the service: DynamoDB Local tells wrong units for batches
 * and transactions. Sizes of items are known from the writes that it has seen; rows that a Query filters out are not counted.
 * `GET /meter` tells the totals, `DELETE /meter` begins anew.
 */
export const createMeter = (endpoint: string): Server => {
  const { hostname, port } = new URL(endpoint)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const counts = createCounts()
  const forward = (headers: IncomingHttpHeaders, body: Buffer): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const options = { hostname, port, method: 'POST', path: '/', agent, headers: { ...headers, host: `${hostname}:${port}` } }
      const out = request(options, async (answer) => {
        try {
          resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: Buffer.concat(await answer.toArray()) })
        } catch (error) {
          reject(error)
        }
      })
      out.on('error', reject)
      out.end(body)
    })
  return createServer(async (asked, answer) => {
    const body = Buffer.concat(await asked.toArray())
    if (asked.url === '/meter') {
      if (asked.method === 'DELETE') counts.reset()
      answer.end(JSON.stringify(counts.metered))
      return
    }
    try {
      const answered = await forward(asked.headers, body)
      const operation = String(asked.headers['x-amz-target']).split('.')[1] ?? ''
      counts.count(operation, JSON.parse(body.toString()), JSON.parse(answered.body.toString()), answered.status === 200)
      counts.moved(body.length + answered.body.length)
      const { 'content-type': type = 'application/x-amz-json-1.0', 'x-amz-crc32': crc } = answered.headers
      answer.writeHead(answered.status, { 'content-type': type, ...(crc === undefined ? {} : { 'x-amz-crc32': crc }) })
      answer.end(answered.body)
    } catch (error) {
      answer.writeHead(500)
      answer.end(JSON.stringify({ message: String(error) }))
    }
  })
}
