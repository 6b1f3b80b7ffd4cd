import type { Task } from '../runtime/task.ts'

/**
 * How long a task holds its records back while a topic of its has none (Kafka's `max.task.idle.ms`, S-13; `PartitionGroup`): until
 * all have some, or the time is over for those that have not.
 */
export class Idling {
  readonly #idleMs: number
  readonly #deadlines = new Map<string, number>()

  constructor(idleMs: number) {
    this.#idleMs = idleMs
  }

  isReady(task: Task, topics: Iterable<string>, nowMs: number): boolean {
    if (this.#idleMs <= 0) return true
    for (const topic of topics) {
      if (task.hasQueued(topic)) {
        this.#deadlines.delete(topic)
        continue
      }
      const deadline = this.#deadlines.get(topic) ?? nowMs + this.#idleMs
      this.#deadlines.set(topic, deadline)
      if (nowMs < deadline) return false
    }
    return true
  }
}
