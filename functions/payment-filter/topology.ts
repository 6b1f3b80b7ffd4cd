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

/** Why it cannot be a payment; undefined if it can. */
const faultOf = ({ amount, currency }: Payment): string | undefined => {
  if (!(amount > 0)) return `an amount of ${amount}`
  return /^[A-Z]{3}$/.test(currency) ? undefined : `"${currency}" is no currency`
}

const isSuspicious = ({ amount, country }: Payment): boolean => amount >= 10_000 || (amount >= 1_000 && !homeCountries.has(country))

const builder = new StreamsBuilder()

builder
  .stream('payments', payments)
  .filterNot((_id, payment) => payment.test === true)
  .mapValues((payment) => ({ ...payment, currency: payment.currency.trim().toUpperCase() }))
  .split({ name: 'payment-' })
  .branch((_id, payment) => faultOf(payment) !== undefined, {
    name: 'invalid',
    consumer: (invalid) => invalid.mapValues((payment) => faultOf(payment)).to('invalid-payments', strings),
  })
  .branch((_id, payment) => isSuspicious(payment), {
    name: 'suspicious',
    consumer: (suspicious) => suspicious.to('suspicious-payments', payments),
  })
  .defaultBranch({ name: 'approved', consumer: (approved) => approved.to('approved-payments', payments) })

export default builder.build()
