import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLambdaFunction, type InvokeResult, type LambdaFunction, type LambdaFunctionConfig } from '../../src/local/lambda-emulator.ts'

/** A function as the service has it, and an event for it. */
interface InvokeRequest extends Pick<LambdaFunctionConfig, 'root' | 'handler' | 'environment' | 'timeoutMs' | 'memoryMb'> {
  readonly name: string
  readonly payload: string
}

export interface Invocation extends InvokeResult {
  readonly name: string
  readonly event: string
}

/** Runs functions that another process keeps, each in the Lambda emulator. */
export interface LambdaFront {
  readonly address: string
  /** Everything that was run, oldest first. */
  readonly invocations: readonly Invocation[]
  /** Lines of the functions' logs. */
  readonly logs: readonly { readonly name: string; readonly line: string }[]
  close(): Promise<void>
}

/** A function that comes with other code, environment or limits than before is another one: its old environments are thrown away. */
export async function startLambdaFront(): Promise<LambdaFront> {
  const functions = new Map<string, { readonly is: string; readonly lambda: LambdaFunction }>()
  const invocations: Invocation[] = []
  const logs: { readonly name: string; readonly line: string }[] = []
  const old: LambdaFunction[] = []

  function functionOf({ payload: _, ...config }: InvokeRequest): LambdaFunction {
    const is = JSON.stringify(config)
    const known = functions.get(config.name)
    if (known?.is === is) return known.lambda
    if (known !== undefined) {
      void known.lambda.recycle()
      old.push(known.lambda)
    }
    const lambda = createLambdaFunction({ ...config, onLog: (line) => logs.push({ name: config.name, line }) })
    functions.set(config.name, { is, lambda })
    return lambda
  }

  const server = createServer(async (message, response) => {
    const request = JSON.parse(await textOf(message)) as InvokeRequest
    const result = await functionOf(request).invoke(request.payload)
    invocations.push({ name: request.name, event: request.payload, ...result })
    response.end(JSON.stringify({ payload: result.payload, failed: result.error !== undefined }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    invocations,
    logs,
    async close() {
      await Promise.all([...old, ...[...functions.values()].map(({ lambda }) => lambda)].map((lambda) => lambda.close()))
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
