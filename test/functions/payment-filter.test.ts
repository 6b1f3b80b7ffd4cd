import { describe, expect, it } from 'vitest'
import topology from '../../functions/payment-filter/topology.ts'
import { modes, runExample } from './run-example.ts'

const payment = (key: string, amount: number, more: object = {}) => ({
  topic: 'payments',
  key,
  value: { account: 'a1', amount, currency: 'EUR', country: 'DE', ...more },
  timestamp: 1,
})

describe.each(modes)('the payment filter %s', (_name, options) => {
  it('sends each payment to the topic of its branch, tests to none', async () => {
    const inputs = [
      payment('p1', 20, { currency: ' eur' }),
      payment('p2', 10_000),
      payment('p3', 0),
      payment('p4', 1_000, { country: 'BR' }),
      payment('p5', 999, { country: 'BR' }),
      payment('p6', 50_000, { currency: 'euro' }),
      payment('p7', 5, { test: true }),
    ]
    const written = (id: string, amount: number, country = 'DE') =>
      `${id}: {"account":"a1","amount":${amount},"currency":"EUR","country":"${country}"} @1`
    expect(await runExample(topology, inputs, options)).toEqual({
      'approved-payments': [written('p1', 20), written('p5', 999, 'BR')],
      'invalid-payments': ['p3: "an amount of 0" @1', 'p6: "\\"EURO\\" is no currency" @1'],
      'suspicious-payments': [written('p2', 10_000), written('p4', 1_000, 'BR')],
    })
  })
})
