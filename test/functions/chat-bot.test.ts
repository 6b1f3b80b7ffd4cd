import { describe, expect, it } from 'vitest'
import topology from '../../functions/chat-bot/topology.ts'
import { minutes } from '../../src/index.ts'
import { modes, runExample } from './run-example.ts'

const message = (minute: number, key: string, user: string, text: string) => ({
  topic: 'messages',
  key,
  value: { user, text },
  timestamp: minutes(minute),
})

describe.each([...modes, ['with partitions', { partitions: { messages: 2, votes: 3, ticks: 2 } }]] as typeof modes)(
  'the chat bot %s',
  (_name, options) => {
    it('answers commands, keeps karma across rooms and reminds a room when its time has come', async () => {
      const inputs = [
        message(0, 'kitchen', 'ann', 'hello'),
        message(1, 'kitchen', 'ann', '!help'),
        message(2, 'kitchen', 'ann', '!remind 5 take the tea out'),
        message(3, 'garden', 'bob', 'ann++'),
        message(4, 'kitchen', 'ann', 'ann++'),
        message(5, 'kitchen', 'cleo', 'ann++'),
        message(6, 'kitchen', 'cleo', 'bob--'),
        message(8, 'kitchen', 'cleo', 'still here'),
      ]
      const { replies } = await runExample(topology, inputs, options)
      expect(replies).toEqual([
        `kitchen: "name++ or name-- gives karma, !remind MINUTES TEXT reminds you" @${minutes(1)}`,
        `garden: "ann has 1 karma" @${minutes(3)}`,
        `kitchen: "ann has 2 karma" @${minutes(5)}`,
        `kitchen: "bob has -1 karma" @${minutes(6)}`,
        `kitchen: "reminder for ann: take the tea out" @${minutes(7)}`,
      ])
    })
  },
)
