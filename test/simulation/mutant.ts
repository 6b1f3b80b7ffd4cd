import type { AppName } from './apps.ts'
import type { Patch } from './mutation.ts'

/** A rule of the protocol, taken out of the code. */
export interface Mutant {
  /** Of protocol §13, and which part of it. */
  readonly rule: string
  /** What is no longer so. */
  readonly without: string
  readonly patches: readonly Patch[]
  /** Where it can be seen; default: where one task has it all. */
  readonly apps?: readonly AppName[]
  /** Nobody finds it alone: what else holds. Another mutant, which takes that out too, is found. */
  readonly coveredBy?: string
}

/** A rule that cannot be taken out of what is built. */
export interface NotApplicable {
  readonly rule: string
  readonly why: string
}
