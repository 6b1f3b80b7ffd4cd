import { StreamsError } from '../errors.ts'

/** One counter per builder, for processors and stores alike (S-29). */
export interface Names {
  /** `<prefix><10 digits>`; a given name wins, but the number is used up all the same. */
  processor(prefix: string, given?: string): string
  /** `<prefix>STATE-STORE-<10 digits>` (S-32). */
  store(prefix: string): string
}

export const createNames = (): Names => {
  let index = 0
  const next = (): string => String(index++).padStart(10, '0')
  return {
    processor: (prefix, given) => {
      const generated = `${prefix}${next()}`
      return given ?? generated
    },
    store: (prefix) => `${prefix}STATE-STORE-${next()}`,
  }
}

/** Names that end in a number made by {@link createNames}. */
export const isGenerated = (name: string): boolean => /^(COGROUP)?K(STREAM|TABLE)-.*-\d{10}(-|$)/.test(name)

/** Kafka's rule for names (`Named.validate`, D-68) and for topics: 1 to 249 of `[A-Za-z0-9._-]`, not `.` or `..`. */
export const checkName = (name: string): string => {
  const wrong = (why: string): never => {
    throw new StreamsError('TOPOLOGY_INVALID', `Invalid topology: ${why}`, { remedy: 'Give the operator another name.' })
  }
  if (name === '') wrong("Name is illegal, it can't be empty")
  if (name === '.' || name === '..') wrong(`Name cannot be "." or ".."`)
  if (name.length > 249) wrong(`Name is illegal, it can't be longer than 249 characters, name: ${name}`)
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    wrong(`Name "${name}" is illegal, it contains a character other than ASCII alphanumerics, '.', '_' and '-'`)
  }
  return name
}
