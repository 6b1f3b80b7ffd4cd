import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type MissingTool, pythonTool } from '../../scripts/python-tool.ts'
import { signedHeaders } from '../../src/lambda/sigv4.ts'
import { freePorts, startServer, untilReady } from '../broker/java-process.ts'
import { root } from '../source-files.ts'
import { type LambdaFront, startLambdaFront } from './lambda-front.ts'

const moto = pythonTool('moto', '5.2.5', '[server,all]')
const preload = pathToFileURL(join(import.meta.dirname, 'local_aws', 'answer-over-http.ts')).href

/** What is missing to start an account here. */
export const missingLocalAws = (): MissingTool | undefined => moto.install()

const pythonEnvironment = { PATH: process.env.PATH, PYTHONPATH: import.meta.dirname, PYTHONDONTWRITEBYTECODE: '1' }
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
export const account = '123456789012'
export const region = 'us-east-1'

export interface LocalAws extends Omit<LambdaFront, 'close' | 'address'> {
  readonly endpoint: string
  /** For whatever speaks to the account: the address, and credentials that fit anything. */
  readonly environment: Readonly<Record<string, string>>
  /** What is there now, asked of each service. */
  inventory(): Promise<Inventory>
  /** A request of a service that speaks JSON, such as Secrets Manager. */
  call(service: string, target: string, body: object): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

export interface StackState {
  readonly status: string
  /** Why resources failed, the latest first. */
  readonly reasons: readonly string[]
  readonly outputs: Readonly<Record<string, string>>
  /** Type and physical id by logical id. */
  readonly resources: Readonly<Record<string, readonly [type: string, physicalId: string]>>
}

export interface Inventory {
  readonly stacks: Readonly<Record<string, StackState>>
  /** Physical ids by type. */
  readonly found: Readonly<Record<string, readonly string[]>>
  readonly schedules: readonly { readonly Name: string; readonly Target: { readonly Arn: string; readonly Input: string } }[]
}

/**
 * An AWS account on this machine, empty: moto, with the types that it lacks. Its functions run in the Lambda emulator.
 * `surroundings` are environment variables of all functions that no template sets.
 */
export async function startLocalAws(surroundings: Readonly<Record<string, string>> = {}): Promise<LocalAws> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-aws-'))
  const [port = 0] = await freePorts(1)
  const front = await startLambdaFront()
  // The runtime of Lambda has the AWS SDK; its functions of the CDK are not bundled with it.
  const ofRuntime = { NODE_PATH: join(root, 'node_modules'), NODE_OPTIONS: `--import=${preload}`, ...surroundings }
  const args = ['--port', String(port), '--functions', front.address, '--folder', folder]
  const functionEnv = Object.entries(ofRuntime).flatMap(([name, value]) => ['--function-env', `${name}=${value}`])
  const python = startServer(
    moto.binary('python'),
    ['-m', 'local_aws.server', ...args, ...functionEnv],
    join(folder, 'moto.log'),
    pythonEnvironment,
  )
  const stop = async () => {
    await python.signal('SIGKILL')
    await front.close()
    await rm(folder, { recursive: true, force: true })
  }
  // moto reads the bucket from a path only at this name.
  const endpoint = `http://localhost:${port}`
  try {
    await untilReady('moto', python, () => fetch(`${endpoint}/moto-api/data.json`))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    endpoint,
    invocations: front.invocations,
    logs: front.logs,
    async inventory() {
      const asked = ['-m', 'local_aws.inventory', endpoint, region]
      const { stdout } = await promisify(execFile)(moto.binary('python'), asked, { env: pythonEnvironment, timeout: 60_000 })
      return JSON.parse(stdout) as Inventory
    },
    async call(service, target, body) {
      const text = JSON.stringify(body)
      const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target }
      const scope = { region, service, credentials, nowMs: Date.now() }
      const { host: _, ...signed } = signedHeaders(new URL(endpoint).host, headers, text, scope)
      const response = await fetch(endpoint, { method: 'POST', headers: signed, body: text })
      if (!response.ok) throw new Error(`${target}: ${response.status} ${await response.text()}`)
      return (await response.json()) as Record<string, unknown>
    },
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: region,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    stop,
  }
}
