import { Serdes, StreamsBuilder } from 'millrace'

interface Order {
  readonly customer: string
  readonly item: string
  readonly euros: number
}

interface Shipment {
  readonly carrier: string
}

interface Customer {
  readonly name: string
  readonly city: string
}

const builder = new StreamsBuilder()

const orders = builder.table('orders', { keySerde: Serdes.string, valueSerde: Serdes.json<Order>(), store: 'orders' })
const shipments = builder.table('shipments', { keySerde: Serdes.string, valueSerde: Serdes.json<Shipment>(), store: 'shipments' })
const customers = builder.table('customers', { keySerde: Serdes.string, valueSerde: Serdes.json<Customer>(), store: 'customers' })

orders
  .leftJoin(shipments, (order, shipment) => ({ ...order, carrier: shipment?.carrier ?? 'not shipped' }), {
    name: 'order-shipment',
    store: { name: 'shipped-orders', valueSerde: Serdes.json() },
  })
  .join(
    customers,
    (order) => order.customer,
    ({ item, euros, carrier }, { name, city }) => ({ item, euros, name, city, carrier }),
    { name: 'order-customer', store: { name: 'order-overview', valueSerde: Serdes.json() } },
  )
  .toStream()
  .to('order-overview')

export default builder.build()
