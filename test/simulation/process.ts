import type { Trigger } from '../../src/runtime/invocation-request.ts'
import type { TaskPlan } from '../../src/runtime/plan.ts'
import { createTaskMemory, type TaskMemory } from '../../src/runtime/task-memory.ts'

/** A task of the application, and who delivers to it. */
export interface SimulatedTask {
  readonly plan: TaskPlan
  readonly partition: number
  /** Short, for the trace. */
  readonly name: string
}

/** An environment, which runs one invocation after the other until it crashes. */
export interface Process {
  readonly name: string
  readonly subTopology: string
  /** Crashed: nothing that it was told or asked reaches it any more. */
  gone: boolean
  /** Answers do not reach it; what it has sent goes on. */
  frozen: boolean
  driftMs: number
  running: Running | undefined
  nowMs(): number
  memoryOf(task: SimulatedTask): TaskMemory
}

export interface Running {
  readonly task: SimulatedTask
  readonly trigger: Trigger
}

export const memories = (): ((task: SimulatedTask) => TaskMemory) => {
  const kept = new Map<SimulatedTask, TaskMemory>()
  return (task) => {
    const memory = kept.get(task) ?? createTaskMemory()
    kept.set(task, memory)
    return memory
  }
}
