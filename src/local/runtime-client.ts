/**
 * The runtime inside an execution environment (a program, not a module to import): loads the handler, then polls the
 * Runtime API for work, as the managed Node runtime does. Arguments: task root, `<file>.<export>`.
 */
import { existsSync } from 'node:fs'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

type Handler = (event: unknown, context: object) => unknown

const [root = '.', handlerName = ''] = process.argv.slice(2)
const [host, port] = (process.env.AWS_LAMBDA_RUNTIME_API ?? '').split(':')
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
let currentRequestId: string | undefined

function call(method: string, route: string, body = '', headers = {}): Promise<{ headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const path = `/2018-06-01/runtime/${route}`
    const lengths = method === 'POST' ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {}
    const sent = request({ host, port, method, path, agent, headers: { ...headers, ...lengths } }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const postError = (route: string, error: Error) => {
  const body = { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') }
  return call('POST', route, JSON.stringify(body), { 'Lambda-Runtime-Function-Error-Type': 'Unhandled' })
}

async function crash(error: Error): Promise<never> {
  const route = currentRequestId ? `invocation/${currentRequestId}/error` : 'init/error'
  await postError(route, error).catch(() => undefined)
  process.exit(129)
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))
process.on('uncaughtException', crash)
process.on('unhandledRejection', (reason) => {
  crash(Object.assign(new Error(asError(reason).message), { name: 'Runtime.UnhandledPromiseRejection' }))
})

async function loadHandler(): Promise<Handler> {
  const dot = handlerName.lastIndexOf('.')
  const stem = resolve(root, handlerName.slice(0, dot))
  const file = ['.mjs', '.js', '.cjs', '.ts'].map((extension) => stem + extension).find(existsSync)
  if (!file) throw Object.assign(new Error(`Cannot find module '${handlerName.slice(0, dot)}'`), { name: 'Runtime.ImportModuleError' })
  const module = await import(pathToFileURL(file).href)
  const name = handlerName.slice(dot + 1)
  const handler = module[name] ?? module.default?.[name]
  if (typeof handler === 'function') return handler
  throw Object.assign(new Error(`${handlerName} is undefined or not exported`), { name: 'Runtime.HandlerNotFound' })
}

function contextOf(headers: IncomingHttpHeaders): object {
  const deadlineMs = Number(headers['lambda-runtime-deadline-ms'])
  return {
    awsRequestId: currentRequestId,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    callbackWaitsForEmptyEventLoop: false,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  }
}

async function serve(handler: Handler): Promise<void> {
  for (;;) {
    const { headers, body } = await call('GET', 'invocation/next')
    currentRequestId = String(headers['lambda-runtime-aws-request-id'])
    process.env._X_AMZN_TRACE_ID = String(headers['lambda-runtime-trace-id'])
    const route = `invocation/${currentRequestId}`
    try {
      const answer = await handler(JSON.parse(body), contextOf(headers))
      await call('POST', `${route}/response`, JSON.stringify(answer ?? null))
    } catch (error) {
      await postError(`${route}/error`, asError(error))
    }
    currentRequestId = undefined
  }
}

await serve(await loadHandler().catch((error) => crash(asError(error))))
