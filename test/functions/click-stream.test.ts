import { describe, expect, it } from 'vitest'
import topology from '../../functions/click-stream/topology.ts'
import { minutes } from '../../src/index.ts'
import { modes, runExample } from './run-example.ts'

const profile = (minute: number, before: object | null, after: object | null) => ({
  topic: 'profile-changes',
  key: 'u1',
  value: { before, after },
  timestamp: minutes(minute),
})
const click = (minute: number, key: string, page: string) => ({ topic: 'clicks', key, value: { page }, timestamp: minutes(minute) })
const search = (minute: number, key: string, query: string) => ({ topic: 'searches', key, value: { query }, timestamp: minutes(minute) })

describe.each([...modes, ['with two partitions', { partitions: { 'profile-changes': 2, clicks: 2, searches: 2 } }]] as typeof modes)(
  'the click stream %s',
  (_name, options) => {
    it('knows of each click who made it, and what that user had searched for a short while before', async () => {
      const [free, paid] = [
        { name: 'Ann', plan: 'free' },
        { name: 'Ann', plan: 'paid' },
      ]
      const inputs = [
        click(0, 'u1', '/'),
        profile(1, null, free),
        search(2, 'u1', 'mill'),
        click(3, 'u1', '/mill'),
        profile(4, free, paid),
        click(4, 'u1', '/mill/buy'),
        click(5, 'u1', '/help'),
        click(5, 'u2', '/mill'),
        profile(6, paid, null),
        search(7, 'u1', 'stone'),
        // the click came before its search
        click(8, 'u1', '/stone'),
        search(8, 'u1', 'mortar'),
        search(6, 'u1', 'wind'),
      ]
      expect(await runExample(topology, inputs, options)).toEqual({
        visits: [
          `u1: {"page":"/","name":"a guest","plan":"none"} @${minutes(0)}`,
          `u1: {"page":"/mill","name":"Ann","plan":"free"} @${minutes(3)}`,
          `u1: {"page":"/mill/buy","name":"Ann","plan":"paid"} @${minutes(4)}`,
          `u1: {"page":"/help","name":"Ann","plan":"paid"} @${minutes(5)}`,
          `u2: {"page":"/mill","name":"a guest","plan":"none"} @${minutes(5)}`,
          `u1: {"page":"/stone","name":"a guest","plan":"none"} @${minutes(8)}`,
        ],
        'found-pages': [
          `u1: {"query":"mill","page":"/mill","name":"Ann","plan":"free"} @${minutes(3)}`,
          `u1: {"query":"mill","page":"/mill/buy","name":"Ann","plan":"paid"} @${minutes(4)}`,
          `u1: {"query":"stone","page":"/stone","name":"a guest","plan":"none"} @${minutes(8)}`,
          `u1: {"query":"mortar","page":"/stone","name":"a guest","plan":"none"} @${minutes(8)}`,
          `u1: {"query":"wind","page":"/stone","name":"a guest","plan":"none"} @${minutes(8)}`,
        ],
      })
    })
  },
)
