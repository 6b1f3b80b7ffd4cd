/** What an invocation came to, as the Invoke API says it. */
export interface InvokeReply {
  /** 200 where the function ran, also if it failed; 413 and 429 where it was not run. */
  readonly status: number
  /** Set where the function failed: thrown, timed out, crashed. */
  readonly error?: 'Unhandled'
  /** JSON: the handler's answer, or the error. */
  readonly payload: string
}
