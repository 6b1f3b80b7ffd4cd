/** What is wrong with an output, a table or a log. `wrong` counts what should not be there at all. */
export interface Findings {
  readonly losses: number
  readonly duplicates: number
  readonly reorderings: number
  readonly wrong: number
  /** The first few, in words. */
  readonly examples: readonly string[]
}

export type FindingKind = Exclude<keyof Findings, 'examples'>

const examplesMax = 8

/** Collects findings about one thing, e.g. `topic echo`. */
export const createFindings = (about: string): { add(kind: FindingKind, what: string): void; readonly all: Findings } => {
  const counts: Record<FindingKind, number> = { losses: 0, duplicates: 0, reorderings: 0, wrong: 0 }
  const examples: string[] = []
  return {
    add(kind, what) {
      counts[kind]++
      if (examples.length < examplesMax) examples.push(`${about}: ${what}`)
    },
    get all() {
      return { ...counts, examples }
    },
  }
}

export const sumOf = (findings: readonly Findings[]): Findings => {
  const sum = (kind: FindingKind): number => findings.reduce((total, it) => total + it[kind], 0)
  const counts = { losses: sum('losses'), duplicates: sum('duplicates'), reorderings: sum('reorderings'), wrong: sum('wrong') }
  return { ...counts, examples: findings.flatMap(({ examples }) => examples) }
}

export const isClean = ({ losses, duplicates, reorderings, wrong }: Findings): boolean => losses + duplicates + reorderings + wrong === 0
