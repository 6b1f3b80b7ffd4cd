import { startDynamoDbLocal } from '../test/broker/dynamodb.ts'
import { type DeploymentScene, startDeploymentScene } from '../test/deploy/deployment-scene.ts'
import type { VersionName } from '../test/deploy/fixtures/versions.ts'
import { missingLocalAws } from '../test/deploy/local-aws.ts'
import { type Bench, median, type Row, rounded } from './bench.ts'

const updates: readonly VersionName[] = ['changed-code', 'removed-store', 'added-store', 'added-source']
const topics = ['lines', 'more-lines', 'seconds', 'word-counts', 'word-letters']

const rowsOf = async ({ aws, cdk, user }: DeploymentScene, note: (text: string) => void): Promise<readonly Row[]> => {
  await user.admin.create(
    topics.map((topic) => ({ topic, partitions: 2, config: {} })),
    Date.now() + 60_000,
  )
  const run = async (what: string, version: VersionName, ...args: readonly string[]): Promise<Row> => {
    note(what)
    const { status, output, ms } = await cdk(version).run(...args)
    if (status !== 0) throw new Error(`${what}: ${output}`)
    const { Words } = (await aws.inventory()).stacks
    const inCloud = [...output.matchAll(/Deployment time: ([\d.]+)s/g)].map(([, seconds]) => Number(seconds))
    return {
      what,
      'seconds of the command': rounded(ms / 1000),
      'seconds of the deployment': inCloud.length === 0 ? '' : rounded(median(inCloud)),
      'resources of the stack': Object.keys(Words?.resources ?? {}).length,
    }
  }
  const deploy = (what: string, version: VersionName) => run(what, version, 'deploy', '--require-approval', 'never')
  const rows = [await run('bootstrap', 'first', 'bootstrap'), await deploy('first deployment', 'first')]
  for (const version of updates) rows.push(await deploy(`update: ${version}`, version))
  rows.push(await deploy('nothing changes', 'added-source'), await run('destroy', 'added-source', 'destroy', '--force'))
  return rows
}

/** `npm run bench -- deploy`: the CDK's command line on an AWS account that is emulated: what it takes without the distance to AWS. */
const bench: Bench = async (note) => {
  const missing = missingLocalAws()
  if (missing !== undefined) throw new Error(`${missing.what} is missing here`)
  const dynamodb = await startDynamoDbLocal()
  try {
    const scene = await startDeploymentScene(dynamodb.endpoint)
    try {
      return { rows: await rowsOf(scene, note), ratios: [] }
    } finally {
      await scene.stop()
    }
  } finally {
    await dynamodb.stop()
  }
}

export default bench
