import { minutes, type ProcessorContext, type Record, Serdes, Stores, Topology } from 'millrace'

interface Message {
  readonly user: string
  readonly text: string
}

interface Vote {
  readonly room: string
  readonly points: number
}

/** Every message moves the clock of its room; some also ask for a reminder. */
interface Tick {
  readonly reminder?: { readonly dueMs: number; readonly text: string }
}

const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const messages = { keySerde: Serdes.string, valueSerde: Serdes.json<Message>() }
const votes = { keySerde: Serdes.string, valueSerde: Serdes.json<Vote>() }
const ticks = { keySerde: Serdes.string, valueSerde: Serdes.json<Tick>() }

const karma = Stores.keyValueStore('karma', { keySerde: Serdes.string, valueSerde: Serdes.long })
const reminders = Stores.keyValueStore('reminders', strings)

/** Reads commands: votes go to whoever counts the votes of that user, reminders to the room's clock, help is answered at once. */
class Commands {
  #context!: ProcessorContext<string, Vote | Tick | string>

  init(context: ProcessorContext<string, Vote | Tick | string>) {
    this.#context = context
  }

  async process(message: Record<string, Message>) {
    const { key: room, value, timestamp } = message
    const [, user, sign] = /^(\w+)(\+\+|--)$/.exec(value.text) ?? []
    const [, wait, text] = /^!remind (\d+) (.+)$/.exec(value.text) ?? []
    if (user !== undefined && user !== value.user)
      await this.#context.forward({ ...message, key: user, value: { room, points: sign === '++' ? 1 : -1 } }, 'votes')
    if (value.text === '!help')
      await this.#context.forward({ ...message, value: 'name++ or name-- gives karma, !remind MINUTES TEXT reminds you' }, 'help')
    const reminder = text === undefined ? {} : { reminder: { dueMs: timestamp + minutes(Number(wait)), text: `${value.user}: ${text}` } }
    await this.#context.forward({ ...message, value: reminder }, 'ticks')
  }
}

/** Keeps everybody's karma, whatever room the votes come from. */
class Karma {
  #context!: ProcessorContext<string, string>

  init(context: ProcessorContext<string, string>) {
    this.#context = context
  }

  async process(vote: Record<string, Vote>) {
    const { key: user, value } = vote
    const store = this.#context.getStateStore(karma)
    const points = ((await store.get(user)) ?? 0) + value.points
    store.put(user, points)
    await this.#context.forward({ ...vote, key: value.room, value: `${user} has ${points} karma` })
  }
}

/** Keeps reminders by the time when they are due, and looks every minute of stream time which of them are. */
class Reminders {
  #context!: ProcessorContext<string, string>

  init(context: ProcessorContext<string, string>) {
    this.#context = context
    context.schedule({ intervalMs: minutes(1), type: 'STREAM_TIME' }, (nowMs) => this.#remind(nowMs))
  }

  process({ key: room, value: { reminder } }: Record<string, Tick>) {
    if (reminder) this.#context.getStateStore(reminders).put(`${new Date(reminder.dueMs).toISOString()} ${room}`, reminder.text)
  }

  async #remind(nowMs: number) {
    const store = this.#context.getStateStore(reminders)
    for (const [key, text] of await store.range(null, new Date(nowMs + 1).toISOString())) {
      const [due = '', room = ''] = key.split(' ')
      store.put(key, null)
      await this.#context.forward({ key: room, value: `reminder for ${text}`, timestamp: Date.parse(due), headers: [] })
    }
  }
}

export default new Topology()
  .addSource('messages', 'messages', messages)
  .addProcessor('commands', () => new Commands(), 'messages')
  .addSink('votes', 'votes', { parents: 'commands', ...votes })
  .addSink('ticks', 'ticks', { parents: 'commands', ...ticks })
  .addSink('help', 'replies', { parents: 'commands', ...strings })

  .addSource('votes-source', 'votes', votes)
  .addProcessor('count-karma', () => new Karma(), 'votes-source')
  .addStateStore(karma, 'count-karma')
  .addSink('karma-replies', 'replies', { parents: 'count-karma', ...strings })

  .addSource('ticks-source', 'ticks', ticks)
  .addProcessor('remind', () => new Reminders(), 'ticks-source')
  .addStateStore(reminders, 'remind')
  .addSink('reminder-replies', 'replies', { parents: 'remind', ...strings })
