import { createHash } from 'node:crypto'
import { createKafkaJs } from '../../src/adapters/kafkajs/kafkajs.ts'
import { messageOf, StreamsError } from '../../src/errors.ts'
import { type KafkaAuthSetting, kafkaSecurity } from '../../src/lambda/kafka-security.ts'
import { checkRenamed } from '../../src/runtime/renamed.ts'
import { createInternalTopics, type TopicPlan } from './topic-plan.ts'

/** What the provider framework of the CDK hands over. */
export interface TopicsEvent {
  readonly RequestType: 'Create' | 'Update' | 'Delete'
  readonly PhysicalResourceId?: string
  readonly ResourceProperties: {
    readonly brokers: string
    /** {@link KafkaAuthSetting} as JSON. */
    readonly auth: string
    /** {@link TopicPlan} as JSON: CloudFormation would turn its numbers into strings. */
    readonly plan: string
    /** Whatever else a deployment changes, such as the code: the topics are looked at again. */
    readonly deployed?: string
  }
}

const timeoutMs = 4 * 60_000

/**
 * The custom resource behind the internal topics. Create and Update create what is missing and check what exists; Delete
 * keeps all topics, since they hold the state of the application. Its physical id tells what was taken last: where an update
 * fails CloudFormation asks for that again, and it is not looked at, or what was refused now would be refused on the way back too.
 */
export async function handler(
  event: TopicsEvent,
): Promise<{ readonly PhysicalResourceId: string; readonly Data?: Record<string, number> }> {
  const { brokers, auth, plan: planText, deployed = '' } = event.ResourceProperties
  const plan = JSON.parse(planText) as TopicPlan
  const digest = createHash('sha256')
    .update(JSON.stringify([brokers, auth, planText, deployed]))
    .digest('hex')
  const id = `${plan.applicationId}-internal-topics-${digest.slice(0, 16)}`
  if (event.RequestType === 'Delete') return { PhysicalResourceId: event.PhysicalResourceId ?? id }
  if (event.PhysicalResourceId === id) return { PhysicalResourceId: id }
  const security = await kafkaSecurity(JSON.parse(auth) as KafkaAuthSetting, process.env)
  const kafka = createKafkaJs({ brokers: brokers.split(','), ...security })
  try {
    await checkRenamed(kafka, plan, Date.now() + timeoutMs)
    const { counts, warnings } = await createInternalTopics(kafka.admin, plan, Date.now() + timeoutMs)
    for (const message of warnings) console.warn(JSON.stringify({ level: 'warn', message, applicationId: plan.applicationId }))
    return { PhysicalResourceId: id, Data: { Topics: counts.size } }
  } catch (error) {
    const remedy = error instanceof StreamsError ? ` ${error.remedy}` : ''
    throw new Error(`The internal topics of "${plan.applicationId}" are not in place. ${messageOf(error)}.${remedy}`, { cause: error })
  } finally {
    await Promise.all([kafka.admin.close(), kafka.reader.close(), kafka.txnLog.close()])
  }
}
