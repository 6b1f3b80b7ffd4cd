/** From the creation of something to its stop. */
export interface Lifetime {
  readonly over: boolean
  /** Resolves at the stop. */
  readonly end: Promise<void>
  finish(): void
  /** Resolves with true after the time, or with false as soon as the lifetime is over. */
  pause(ms: number): Promise<boolean>
}

export function createLifetime(): Lifetime {
  const { promise: end, resolve } = Promise.withResolvers<void>()
  let over = false
  return {
    get over() {
      return over
    },
    end,
    finish() {
      over = true
      resolve()
    },
    async pause(ms) {
      let timer: NodeJS.Timeout | undefined
      await Promise.race([end, new Promise((resume) => (timer = setTimeout(resume, ms)))])
      clearTimeout(timer)
      return !over
    },
  }
}
