import { messageOf } from '../src/errors.ts'
import { missingJava } from '../test/broker/real-parts.ts'

export interface Command<Request extends { readonly help: boolean }> {
  readonly usage: string
  /** Throws with a sentence where the arguments are wrong. */
  readonly requestOf: (args: readonly string[]) => Request
  /** What needs Java and Maven, in the plural; absent where nothing does. */
  readonly java?: string
  /** Gives the exit code. */
  readonly run: (request: Request) => Promise<number>
}

/** Runs a command of this folder with the arguments of the process and gives its exit code: 2 for wrong arguments, or without the Java that it needs. */
export const runCommand = async <Request extends { readonly help: boolean }>(command: Command<Request>): Promise<number> => {
  let request: Request
  try {
    request = command.requestOf(process.argv.slice(2))
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${command.usage}`)
    return 2
  }
  if (request.help) {
    console.log(command.usage)
    return 0
  }
  const missing = command.java === undefined ? null : missingJava(command.java)
  if (missing === null) return command.run(request)
  console.error(missing)
  return 2
}
