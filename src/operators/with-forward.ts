import type { ProcessorContext } from '../processor/processor.ts'

/** The same context with another `forward`. */
export const withForward = <KOut, VOut>(
  context: ProcessorContext<KOut, VOut>,
  forward: ProcessorContext<KOut, VOut>['forward'],
): ProcessorContext<KOut, VOut> => ({
  get applicationId() {
    return context.applicationId
  },
  get taskId() {
    return context.taskId
  },
  get recordMetadata() {
    return context.recordMetadata
  },
  drop: (why) => context.drop(why),
  getStateStore: (store) => context.getStateStore(store),
  currentStreamTimeMs: () => context.currentStreamTimeMs(),
  currentSystemTimeMs: () => context.currentSystemTimeMs(),
  schedule: (schedule, punctuator) => context.schedule(schedule, punctuator),
  commit: () => context.commit(),
  remember: (key, value) => context.remember(key, value),
  remembered: (key) => context.remembered(key),
  forward,
})
