import { App } from 'aws-cdk-lib'
import chatBot from '../functions/chat-bot/topology.ts'
import clickStream from '../functions/click-stream/topology.ts'
import lateReadings from '../functions/late-readings/topology.ts'
import ordersAndCustomers from '../functions/orders-and-customers/topology.ts'
import paymentFilter from '../functions/payment-filter/topology.ts'
import sessions from '../functions/sessions/topology.ts'
import stockStats from '../functions/stock-stats/topology.ts'
import topStocks from '../functions/top-stocks/topology.ts'
import wordCount from '../functions/word-count/topology.ts'
import { FirstTryStack } from './stacks/first-try-stack.ts'
import { StreamsStack } from './stacks/streams-stack.ts'

/** A stack for each app of functions/: its topology, its folder, and what it does. */
const stacks = {
  WordCount: [wordCount, 'word-count', 'Counts words'],
  PaymentFilter: [paymentFilter, 'payment-filter', 'Sorts payments into approved, suspicious and invalid ones'],
  StockStats: [stockStats, 'stock-stats', 'Keeps statistics of stock prices in overlapping windows'],
  TopStocks: [topStocks, 'top-stocks', 'Finds the ten best years of all stocks'],
  ClickStream: [clickStream, 'click-stream', 'Joins clicks with profiles and searches'],
  OrdersAndCustomers: [ordersAndCustomers, 'orders-and-customers', 'Keeps a table of orders with shipments and customers'],
  LateReadings: [lateReadings, 'late-readings', 'Sums up readings that come out of order, and corrects the sums'],
  ChatBot: [chatBot, 'chat-bot', 'Answers commands in chat rooms'],
  Sessions: [sessions, 'sessions', 'Finds visits in the log of a web server'],
} as const

export const app = new App()
for (const [id, [topology, name, what]] of Object.entries(stacks)) {
  new StreamsStack(app, id, {
    topology,
    entry: `functions/${name}/handler.ts`,
    applicationId: name,
    description: `${what}: a Kafka Streams topology as Lambda functions`,
  })
}

new FirstTryStack(app, 'FirstTry', {
  topology: wordCount,
  entry: 'functions/word-count/handler.ts',
  applicationId: 'word-count',
  createTopics: { lines: { partitions: 4 }, 'word-counts': { partitions: 4 } },
  description: 'Counts words, on an MSK Serverless cluster and in a network of its own: for a first try',
})
