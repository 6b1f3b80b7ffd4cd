import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import type { KafkaPorts } from '../../src/runtime/ports.ts'
import { certify } from '../broker/certify.ts'
import { forClients, type RunningKafka, startKafka } from '../broker/kafka.ts'
import { type Cdk, cdkIn } from './cdk.ts'
import type { VersionName } from './fixtures/versions.ts'
import { type LocalAws, startLocalAws } from './local-aws.ts'

/** An AWS account on this machine, and brokers with SCRAM beside it, to which the fixtures are deployed. */
export interface DeploymentScene {
  readonly aws: LocalAws
  readonly kafka: RunningKafka
  /** Whom the brokers' certificate is from. */
  readonly certificate: string
  /** Ports of somebody who may do anything on the cluster. */
  readonly user: KafkaPorts
  /** The CDK's command line for one version. */
  cdk(version: VersionName): Cdk
  stop(): Promise<void>
}

/** `dynamodb`: the endpoint of the DynamoDB Local that holds the table's items. */
export async function startDeploymentScene(dynamodb: string): Promise<DeploymentScene> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-deploy-'))
  const { certificate, settings } = await certify(folder)
  const authority = join(folder, 'authority.pem')
  await writeFile(authority, certificate)
  const login = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  const [kafka, aws] = await Promise.all([
    startKafka({
      clients: { protocol: 'SASL_SSL' },
      scramUsers: { miller: 'grain' },
      settings: forClients({ ...settings, 'sasl.enabled.mechanisms': 'SCRAM-SHA-512', 'scram-sha-512.sasl.jaas.config': login }),
    }),
    startLocalAws({ AWS_ENDPOINT_URL_DYNAMODB: dynamodb, NODE_EXTRA_CA_CERTS: authority }),
  ])
  const user = createKafkaJs({ brokers: kafka.bootstrap })
  const SecretString = JSON.stringify({ username: 'miller', password: 'grain' })
  const { ARN } = await aws.call('secretsmanager', 'secretsmanager.CreateSecret', { Name: 'kafka', SecretString })
  const context = { brokers: kafka.clientsAddresses.join(), secret: String(ARN) }
  return {
    ...{ aws, kafka, certificate, user },
    cdk: (version) => cdkIn(folder, aws.environment, { version, ...context }),
    async stop() {
      await Promise.all([user.txnLog.close(), user.reader.close(), user.admin.close()])
      await Promise.all([kafka.stop(), aws.stop()])
      await rm(folder, { recursive: true, force: true })
    },
  }
}
