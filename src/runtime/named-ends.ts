import { otherTableStoreOf, tableStoreOf } from '../topology/table-options.ts'
import type { TaskPlan } from './plan.ts'

type Ends = Readonly<Record<string, number>>

/**
 * The name under which a checkpoint tells how far a changelog is in the table. Rows of a packed store are elsewhere than those of the same
 * store when it is not packed: a checkpoint of the one says nothing of the other.
 */
const namesOf = ({ stores, changelogs }: Pick<TaskPlan, 'stores' | 'changelogs'>) =>
  stores.flatMap((store) => {
    const topic = changelogs.get(store.name)
    const named = (form: string): string => `${topic}${form.slice(store.name.length)}`
    return topic === undefined
      ? []
      : [{ store: store.name, topic, name: named(tableStoreOf(store)), other: named(otherTableStoreOf(store)) }]
  })

/** As a checkpoint has them, by topic. */
export const endsByTopic = (plan: TaskPlan, ends: Ends): Ends => {
  const found: Record<string, number> = { ...ends }
  for (const { topic, name, other } of namesOf(plan)) {
    delete found[name]
    delete found[other]
    const end = ends[name]
    if (end !== undefined) found[topic] = end
  }
  return found
}

/** As a checkpoint is to have them. */
export const endsByName = (plan: TaskPlan, ends: Ends): Ends => {
  const found: Record<string, number> = { ...ends }
  for (const { topic, name } of namesOf(plan)) {
    const end = ends[topic]
    delete found[topic]
    if (end !== undefined) found[name] = end
  }
  return found
}

/** Other code, which has no such store, or not in that form, may have written the checkpoint after a commit that it found: then its rows are in its changelog. */
export const unnamedStores = (plan: TaskPlan, { ends }: { readonly ends: Ends }): readonly string[] =>
  namesOf(plan).flatMap(({ store, name }) => (ends[name] === undefined ? [store] : []))
