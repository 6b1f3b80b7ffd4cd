import { Duration } from 'aws-cdk-lib'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { FilterPattern, type IFilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { TaskFunction } from './task-function.ts'

/** Of the metrics that are made of log lines. Lambda's own are in AWS/Lambda. */
export const metricNamespace = 'Millrace'

/** Lines that `streamsHandler` writes for each invocation of a task, and for records that go to the dead letter topic. */
export const linePatterns = {
  recordsRead: FilterPattern.numberValue('$.recordsRead', '>=', 0),
  deadLetters: FilterPattern.stringValue('$.message', '=', 'dead letters'),
}

const period = Duration.minutes(5)

/** What can be seen of a function from outside, five minutes at a time. */
export class TaskMetrics extends Construct {
  readonly invocations: Metric
  readonly errors: Metric
  readonly throttles: Metric
  /** Milliseconds of the longest invocation. */
  readonly duration: Metric
  readonly concurrency: Metric
  /** Records between the end of the source topics and what the event source has committed. With several source topics: the worst. */
  readonly offsetLag: Metric
  readonly recordsRead: Metric
  /** Absent: the topology has no dead letter topic. */
  readonly deadLetters: Metric | undefined

  constructor(scope: Construct, id: string, task: TaskFunction, deadLetterTopic: string | undefined) {
    super(scope, id)
    const { function: target } = task
    this.invocations = target.metricInvocations({ period })
    this.errors = target.metricErrors({ period })
    this.throttles = target.metricThrottles({ period })
    this.duration = target.metricDuration({ period, statistic: 'Maximum' })
    this.concurrency = target.metric('ConcurrentExecutions', { period, statistic: 'Maximum' })
    // Lambda measures it for functions behind Kafka, in both polling modes, without being asked to.
    this.offsetLag = target.metric('OffsetLag', { period, statistic: 'Maximum' })
    this.recordsRead = this.#ofLines('RecordsRead', task, linePatterns.recordsRead, '$.recordsRead')
    this.deadLetters = deadLetterTopic === undefined ? undefined : this.#ofLines('DeadLetters', task, linePatterns.deadLetters, '$.records')
  }

  #ofLines(
    metricName: string,
    { applicationId, subTopology, logGroup }: TaskFunction,
    filterPattern: IFilterPattern,
    metricValue: string,
  ): Metric {
    new MetricFilter(this, metricName, {
      logGroup,
      filterPattern,
      metricNamespace,
      metricName,
      metricValue,
      dimensions: { applicationId: '$.applicationId', subTopology: '$.subTopology' },
    })
    const dimensionsMap = { applicationId, subTopology: subTopology.name }
    return new Metric({ namespace: metricNamespace, metricName, dimensionsMap, statistic: 'Sum', period })
  }
}
