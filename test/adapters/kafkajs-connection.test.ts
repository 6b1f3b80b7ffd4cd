import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { connect, Unanswered } from '../../src/adapters/kafkajs/connection.ts'

afterEach(() => vi.restoreAllMocks())

it('a broker that takes the connection and does not answer leaves no timer behind', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [made, cleared] = [vi.spyOn(globalThis, 'setInterval'), vi.spyOn(globalThis, 'clearInterval')]
  await expect(connect({ host: '127.0.0.1', port }, { clientId: 'test', ssl: null, sasl: null }, null, 150)).rejects.toThrow(Unanswered)
  expect(made).toHaveBeenCalledOnce()
  const timers = made.mock.results.map(({ value }) => value)
  expect(timers.filter((timer) => !cleared.mock.calls.some(([it]) => it === timer))).toEqual([])
  for (const socket of sockets) socket.destroy()
  server.close()
})
