import { describe, expect, it } from 'vitest'
import topology from '../../functions/orders-and-customers/topology.ts'
import { modes, runExample } from './run-example.ts'

const row = (topic: string, key: string, value: object | null, timestamp: number) => ({ topic, key, value, timestamp })
const written = (key: string, value: object | null, timestamp: number) => `${key}: ${JSON.stringify(value)} @${timestamp}`
const partitions = { orders: 3, shipments: 3, customers: 2 }

describe.each([...modes, ['with partitions of their own', { partitions }]] as typeof modes)('orders and customers %s', (_name, options) => {
  it('are one row per order, which follows order, shipment and customer', async () => {
    const inputs = [
      row('orders', 'o1', { customer: 'c1', item: 'tea', euros: 5 }, 1),
      row('customers', 'c1', { name: 'Ann', city: 'Bonn' }, 2),
      row('orders', 'o2', { customer: 'c1', item: 'pot', euros: 30 }, 3),
      row('shipments', 'o1', { carrier: 'post' }, 4),
      row('customers', 'c1', { name: 'Ann', city: 'Kiel' }, 5),
      row('orders', 'o2', { customer: 'c2', item: 'pot', euros: 30 }, 6),
      row('orders', 'o1', null, 7),
      row('shipments', 'o9', { carrier: 'post' }, 8),
    ]
    const [tea, pot] = [
      { item: 'tea', euros: 5, name: 'Ann' },
      { item: 'pot', euros: 30, name: 'Ann' },
    ]
    expect(await runExample(topology, inputs, options)).toEqual({
      'order-overview': [
        written('o1', { ...tea, city: 'Bonn', carrier: 'not shipped' }, 2),
        written('o2', { ...pot, city: 'Bonn', carrier: 'not shipped' }, 3),
        written('o1', { ...tea, city: 'Bonn', carrier: 'post' }, 4),
        written('o1', { ...tea, city: 'Kiel', carrier: 'post' }, 5),
        written('o2', { ...pot, city: 'Kiel', carrier: 'not shipped' }, 5),
        written('o2', null, 6),
        written('o1', null, 7),
      ],
    })
  })
})
