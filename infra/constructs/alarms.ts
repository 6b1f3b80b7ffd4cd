import { Duration } from 'aws-cdk-lib'
import { Alarm, ComparisonOperator, type IAlarmAction, type IMetric, MathExpression, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct } from 'constructs'
import type { TaskFunction } from './task-function.ts'
import type { TaskMetrics } from './task-metrics.ts'

export interface AlarmOptions {
  /** Told of every alarm, and when it is over. */
  readonly topic?: ITopic
  /**
   * Records of a topic that may wait without being an alarm. Default: 1,000. Markers of transactions count as waiting at the end of a
   * topic: give at least two for each partition.
   */
  readonly lag?: number
}

/** Milliseconds: an invocation stops reading 2.5 s before its timeout, and needs the rest to commit, to flush and to answer. */
const reserveMs = 1000

interface Watch {
  readonly metric: IMetric
  readonly threshold: number
  /** Five minutes each: so many of so many. */
  readonly of: readonly [points: number, periods: number]
  readonly description: string
}

/** The alarms of one function. None of them means that something is lost: records wait until the reason is gone. */
export class TaskAlarms extends Construct {
  constructor(
    scope: Construct,
    id: string,
    { task, metrics, topic, lag = 1000 }: AlarmOptions & { readonly task: TaskFunction; readonly metrics: TaskMetrics },
  ) {
    super(scope, id)
    const { applicationId, subTopology, timeout } = task
    const who = `${applicationId}, sub-topology ${subTopology.name}`
    const watches: Readonly<Record<string, Watch>> = {
      Errors: {
        metric: metrics.errors,
        threshold: 1,
        of: [2, 3],
        description: 'invocations fail again and again. The log says why, with a code and a remedy; Lambda tries until it succeeds',
      },
      Throttles: {
        metric: metrics.throttles,
        threshold: 1,
        of: [3, 3],
        description: 'Lambda refuses invocations: the reserved concurrency of the function, or that of the account, is used up',
      },
      Duration: {
        metric: metrics.duration,
        threshold: timeout.toMilliseconds() - reserveMs,
        of: [2, 3],
        description: `invocations end less than a second before their timeout of ${timeout.toSeconds()} s: commits or writes to the table take long`,
      },
      LagGrows: {
        metric: expression(`IF(DIFF(lag) > 0 AND lag > ${lag}, 1, 0)`, { lag: metrics.offsetLag }),
        threshold: 1,
        of: [6, 6],
        description: 'for half an hour more has come than was processed. More partitions help, or more memory (which brings CPU)',
      },
      Stuck: {
        metric: expression(`IF(lag > ${lag} AND FILL(read, 0) == 0, 1, 0)`, { lag: metrics.offsetLag, read: metrics.recordsRead }),
        threshold: 1,
        of: [3, 3],
        description: 'records wait and nothing has been read for 15 minutes. See the log, and the state of the event source mappings',
      },
      ...(metrics.deadLetters === undefined
        ? {}
        : {
            DeadLetters: {
              metric: metrics.deadLetters,
              threshold: 1,
              of: [1, 1] as const,
              description: 'records could not be processed and went to the dead letter topic; their headers say why',
            },
          }),
    }
    const actions: readonly IAlarmAction[] = topic === undefined ? [] : [new SnsAction(topic)]
    for (const [
      name,
      {
        metric,
        threshold,
        of: [datapointsToAlarm, evaluationPeriods],
        description,
      },
    ] of Object.entries(watches)) {
      const alarm = new Alarm(this, name, {
        alarmDescription: `${who}: ${description}.`,
        metric,
        threshold,
        datapointsToAlarm,
        evaluationPeriods,
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      })
      alarm.addAlarmAction(...actions)
      alarm.addOkAction(...actions)
    }
  }
}

const expression = (text: string, usingMetrics: Readonly<Record<string, IMetric>>): MathExpression =>
  new MathExpression({ expression: text, usingMetrics: { ...usingMetrics }, period: Duration.minutes(5) })
