import { Serdes, StreamsBuilder } from 'millrace'

/**
 * Orders joined with their customers by foreign key, and what each region ordered: three sub-topologies. A left join, as each
 * version of an order gets an answer of its own. In an inner one, Java's too, a deleted order's answer is dropped if the order
 * is back by then, and where its new customer is not there no other comes: the old row stays.
 */
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const builder = new StreamsBuilder()

// "<number in its key> <customer> <amount>", "<number in its key> <region>"
const orders = builder.table('orders', { ...strings, store: 'orders' })
const customers = builder.table('customers', { ...strings, store: 'customers' })

const overview = orders.leftJoin(
  customers,
  (order) => order.split(' ')[1] ?? '',
  (order, customer) => `${order} ${customer ?? '- nowhere'}`,
  { name: 'ordered', store: { name: 'overview', ...strings } },
)
overview.toStream().to('overview', strings)

const amountOf = (joined: string): number => Number(joined.split(' ')[2])
const added = (sum: string, amount: number, orders: 1 | -1): string => {
  const [count, total] = sum.split(' ').map(Number)
  return `${(count ?? 0) + orders} ${(total ?? 0) + orders * amount}`
}

overview
  .groupBy((_order, joined) => [joined.split(' ')[4] ?? '', joined], { ...strings, name: 'by-region' })
  .aggregate(
    () => '0 0',
    (_region, joined, sum) => added(sum, amountOf(joined), 1),
    (_region, joined, sum) => added(sum, amountOf(joined), -1),
    { store: { name: 'totals', ...strings } },
  )
  .toStream()
  .to('totals', strings)

export default builder.build()
