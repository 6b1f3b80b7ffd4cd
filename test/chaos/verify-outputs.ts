import { createFindings, type Findings } from './findings.ts'

/** A record of an output, or of what it should be. */
export interface Entry {
  readonly key: string
  readonly value: string | null
}

export const byKey = (entries: readonly Entry[]): ReadonlyMap<string, readonly (string | null)[]> => {
  const values = new Map<string, (string | null)[]>()
  for (const { key, value } of entries) {
    const known = values.get(key)
    if (known) known.push(value)
    else values.set(key, [value])
  }
  return values
}

/** Every expected record must be there once, and those of one key in their order. Values of one key are unique. */
export const checkEach = (about: string, expected: readonly Entry[], found: readonly Entry[]): Findings => {
  const findings = createFindings(about)
  const foundByKey = byKey(found)
  const expectedByKey = byKey(expected)
  for (const [key, values] of expectedByKey) {
    const places = new Map(values.map((value, place) => [value, place]))
    const seen = new Set<number>()
    let last = -1
    for (const value of foundByKey.get(key) ?? []) {
      const place = places.get(value)
      if (place === undefined) findings.add('wrong', `${key} has "${value}", which nobody wrote`)
      else if (seen.has(place)) findings.add('duplicates', `${key} has "${value}" again`)
      else {
        if (place < last) findings.add('reorderings', `${key} has "${value}" after "${values[last]}"`)
        seen.add(place)
        last = place
      }
    }
    for (const [place, value] of values.entries()) if (!seen.has(place)) findings.add('losses', `${key} has no "${value}"`)
  }
  for (const [key, values] of foundByKey) {
    if (!expectedByKey.has(key)) for (const value of values) findings.add('wrong', `"${value}" of ${key}, which nobody wrote`)
  }
  return findings.all
}

/**
 * A key goes through known states; each transaction tells the last one that it reached. States may be left out, but never
 * told twice or in another order, and the last one must be told.
 */
export const checkStates = (about: string, states: ReadonlyMap<string, readonly string[]>, found: readonly Entry[]): Findings => {
  const findings = createFindings(about)
  const foundByKey = byKey(found)
  for (const [key, known] of states) {
    const places = new Map(known.map((state, place) => [state, place]))
    let last = -1
    for (const value of foundByKey.get(key) ?? []) {
      const place = value === null ? undefined : places.get(value)
      if (place === undefined) findings.add('wrong', `${key} is "${value}", which it never was`)
      else if (place === last) findings.add('duplicates', `${key} is "${value}" again`)
      else if (place < last) findings.add('reorderings', `${key} is "${value}" after "${known[last]}"`)
      last = Math.max(last, place ?? -1)
    }
    if (last < known.length - 1) findings.add('losses', `${key} ends with "${known[last]}" and not with "${known.at(-1)}"`)
  }
  for (const key of foundByKey.keys()) if (!states.has(key)) findings.add('wrong', `${key}, which nobody wrote`)
  return findings.all
}

/** The last record of each key must be the expected row; no row where it is null or `none`. */
export const checkRows = (
  about: string,
  expected: ReadonlyMap<string, string>,
  found: readonly Entry[],
  none: string | null = null,
): Findings => {
  const findings = createFindings(about)
  const rows = new Map([...byKey(found)].map(([key, values]) => [key, values.at(-1) ?? null]))
  for (const [key, row] of expected) {
    const is = rows.get(key) ?? null
    if (is === null || is === none) findings.add('losses', `${key} should be "${row}", and is not there`)
    else if (is !== row) findings.add('wrong', `${key} is "${is}" and should be "${row}"`)
  }
  for (const [key, row] of rows) {
    if (row !== null && row !== none && !expected.has(key)) findings.add('wrong', `${key} is "${row}" and should not be there`)
  }
  return findings.all
}

/** Values carry a version: one may come again, as a join may be told again, but never after a later one. */
export const checkVersions = (about: string, found: readonly Entry[], versionOf: (value: string) => number): Findings => {
  const findings = createFindings(about)
  for (const [key, values] of byKey(found)) {
    let last = Number.NEGATIVE_INFINITY
    for (const value of values) {
      if (value === null) continue
      const version = versionOf(value)
      if (version < last) findings.add('reorderings', `${key} has version ${version} after version ${last}`)
      last = Math.max(last, version)
    }
  }
  return findings.all
}
