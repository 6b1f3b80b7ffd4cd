import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, startJava, untilReady } from './java-process.ts'
import { jarsOf } from './real-parts.ts'

export interface RunningDynamoDb {
  readonly endpoint: string
  stop(): Promise<void>
}

/** DynamoDB Local on a free loopback port, in memory. Any credentials and any region fit. */
export const startDynamoDbLocal = async (jvm: readonly string[] = []): Promise<RunningDynamoDb> => {
  const jars = await jarsOf('dynamodb')
  const folder = await mkdtemp(join(tmpdir(), 'millrace-dynamodb-'))
  const [port] = await freePorts(1)
  const main = 'software.amazon.dynamodb.services.local.main.ServerRunner'
  const classPath = [`-Djava.library.path=${jars}`, '-cp', join(jars, '*')]
  const args = ['-Xmx512m', ...jvm, ...classPath, main, '-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)]
  const java = startJava(args, join(folder, 'output.log'))
  const endpoint = `http://127.0.0.1:${port}`
  const stop = async () => {
    await java.signal('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    // Any answer will do: without a signature it is an error that only a running server can give.
    await untilReady('DynamoDB Local', java, () => fetch(endpoint))
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint, stop }
}
