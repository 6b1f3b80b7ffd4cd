import type { Trigger } from '../../src/runtime/invocation-request.ts'
import type { TaskPlan } from '../../src/runtime/plan.ts'
import { createTaskMemory, type TaskMemory } from '../../src/runtime/task-memory.ts'

/** A task of the application, and who delivers to it. */
export interface SimulatedTask {
  readonly subTopology: string
  readonly partition: number
  /** One per version of the application's code. */
  readonly plans: readonly [TaskPlan, ...TaskPlan[]]
  /** Short, for the trace. */
  readonly name: string
}

/** An environment, which runs one invocation after the other until it crashes. */
export interface Process {
  readonly name: string
  readonly subTopology: string
  /** Of the application's code. */
  readonly version: number
  /** Crashed: nothing that it was told or asked reaches it any more. */
  gone: boolean
  /** Answers do not reach it; what it has sent goes on. */
  frozen: boolean
  driftMs: number
  running: Running | undefined
  nowMs(): number
  memoryOf(task: SimulatedTask): TaskMemory
}

/** A task as some version of the code has it. */
export const planOf = ({ plans, name }: SimulatedTask, version: number): TaskPlan => {
  const plan = plans[version]
  if (!plan) throw new Error(`there is no version ${version} of ${name}`)
  return plan
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
