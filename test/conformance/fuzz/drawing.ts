import type { MaterializedSpec, SerdeSpec, Step, StepArgs, WindowsSpec } from '../scenario.ts'
import type { Input } from './events.ts'
import type { Random } from './random.ts'

export interface TableAt {
  readonly id: string
  readonly versioned: boolean
  /** Its keys are windows of these. */
  readonly windows: WindowsSpec | undefined
  /** Its values are numbers. */
  readonly counts: boolean
}

/** A topology that is being drawn. */
export interface Drawing {
  readonly random: Random
  readonly steps: Step[]
  readonly inputs: Input[]
  readonly topics: Record<string, readonly [SerdeSpec, SerdeSpec]>
  readonly streams: string[]
  readonly tables: TableAt[]
  readonly globals: string[]
  /** Functions may throw. */
  readonly mayFail: boolean
  /** How often something optional is named. */
  readonly named: number
}

export const drawingOf = (random: Random): Drawing => ({
  ...{ random, steps: [], inputs: [], topics: {}, streams: [], tables: [], globals: [] },
  mayFail: random.chance(0.12),
  named: random.pick([0, 0, 0.2, 0.5]),
})

/** Draws a step and gives its id. */
export const step = ({ steps }: Drawing, op: string, on: readonly string[], args: StepArgs = {}): string => {
  const id = `s${steps.length}`
  steps.push({ id, op, ...(on.length > 0 ? { on } : {}), ...(Object.keys(args).length > 0 ? { args } : {}) })
  return id
}

export const fresh = ({ steps, random }: Drawing, prefix: string): string => `${prefix}-${steps.length}${random.int(10)}`

export const maybeNamed = (drawing: Drawing): { readonly named?: string } =>
  drawing.random.chance(drawing.named) ? { named: fresh(drawing, 'node') } : {}

/** Options of a store of text, often none. */
export const maybeKept = (drawing: Drawing, more: Partial<MaterializedSpec> = {}): { readonly materialized?: MaterializedSpec } => {
  const { random } = drawing
  if (random.chance(0.4) && Object.keys(more).length === 0) return {}
  return {
    materialized: {
      ...(random.chance(0.7) ? { name: fresh(drawing, 'store') } : {}),
      ...(random.chance(0.3) ? { storeType: 'inMemory' } : {}),
      ...(random.chance(0.35) ? { caching: random.chance(0.3) } : {}),
      ...(random.chance(0.1) ? { logging: false } : {}),
      ...more,
    },
  }
}

/** The last one more often than one of those before. */
export const recent = <T>({ random }: Drawing, list: readonly T[]): T => {
  const last = list.at(-1)
  return last !== undefined && random.chance(0.6) ? last : random.pick(list)
}

export const addStream = (drawing: Drawing, id: string): undefined => {
  drawing.streams.push(id)
}

export const addTable = (drawing: Drawing, id: string, facts: Partial<Omit<TableAt, 'id'>> = {}): undefined => {
  drawing.tables.push({ id, versioned: false, windows: undefined, counts: false, ...facts })
}
