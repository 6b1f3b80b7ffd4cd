/** For our own bugs, never for the user's input: a broken assumption fails at once, near its cause. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`)
}
