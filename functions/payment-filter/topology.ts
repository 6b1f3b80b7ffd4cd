import { Serdes, StreamsBuilder } from 'millrace'

interface Payment {
  readonly account: string
  readonly amount: number
  readonly currency: string
  readonly country: string
  readonly test?: boolean
}

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const payments = { keySerde: Serdes.string, valueSerde: Serdes.json<Payment>() }
const homeCountries = new Set(['DE', 'FR', 'NL'])

const isInvalid = ({ amount, currency }: Payment): boolean => !(amount > 0) || !/^[A-Z]{3}$/.test(currency)
const isSuspicious = ({ amount, country }: Payment): boolean => amount >= 10_000 || (amount >= 1_000 && !homeCountries.has(country))

const builder = new StreamsBuilder()

builder
  .stream('payments', payments)
  .filterNot((_id, payment) => payment.test === true)
  .mapValues((payment) => ({ ...payment, currency: payment.currency.trim().toUpperCase() }))
  .split({ name: 'payment-' })
  .branch((_id, payment) => isInvalid(payment), {
    name: 'invalid',
    consumer: (invalid) => invalid.mapValues(({ amount, currency }) => `${amount} "${currency}"`).to('invalid-payments', strings),
  })
  .branch((_id, payment) => isSuspicious(payment), {
    name: 'suspicious',
    consumer: (suspicious) => suspicious.to('suspicious-payments', payments),
  })
  .defaultBranch({ name: 'approved', consumer: (approved) => approved.to('approved-payments', payments) })

export default builder.build()
