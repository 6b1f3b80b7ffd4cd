/** A checksum over a key's values so far: one that is lost, repeated or out of order changes all that come after it. */
export const chained = (before: string, value: string): string => {
  let hash = 0x811c9dc5
  for (const character of `${before} ${value}`) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
