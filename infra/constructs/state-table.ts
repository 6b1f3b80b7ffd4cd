import { RemovalPolicy } from 'aws-cdk-lib'
import { AttributeType, Billing, type ITableV2, type TablePropsV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { Construct } from 'constructs'
import { type Finding, refusedProperties } from './finding.ts'

/** What the layout of the rows and the leases rely on. */
export const refusedOfTable = {
  partitionKey: 'It is "pk" (a string)',
  sortKey: 'It is "sk" (binary)',
  timeToLiveAttribute: 'It is "x"',
  globalSecondaryIndexes: 'Nothing reads them, and every write would be billed twice',
  localSecondaryIndexes: 'Nothing reads them, and every write would be billed twice',
  replicas: 'Leases are conditional writes in one region: a replica would not see them in time',
  witnessRegion: 'Leases are conditional writes in one region',
  multiRegionConsistency: 'Leases are conditional writes in one region',
  globalTableSettingsReplicationMode: 'There are no replicas',
} as const satisfies Partial<Record<keyof TablePropsV2, string>>

/** The properties of TableV2, without those that the application relies on. */
export type StateTableOptions = Omit<TablePropsV2, keyof typeof refusedOfTable>

/** Both, as the CDK's class does not fit its own interface under `exactOptionalPropertyTypes`. */
export type DynamoDbTable = ITableV2 | TableV2

export const isTable = (table: StateTableOptions | DynamoDbTable | undefined): table is DynamoDbTable =>
  table !== undefined && 'tableArn' in table

/** A table that is there already (`pk` string, `sk` binary, time to live in `x`), or a new one with these properties. */
export const stateTable = (scope: Construct, id: string, table: StateTableOptions | DynamoDbTable | undefined): DynamoDbTable =>
  isTable(table) ? table : new StateTable(scope, id, table).table

export const checkTable = (table: StateTableOptions | DynamoDbTable | undefined): readonly Finding[] =>
  table === undefined || isTable(table) ? [] : refusedProperties('table', table, refusedOfTable)

/** The table of one application: its state rows and task items. It outlives the stack, and CloudFormation cannot delete it. */
export class StateTable extends Construct {
  readonly table: TableV2

  constructor(scope: Construct, id: string, options: StateTableOptions = {}) {
    super(scope, id)
    this.table = new TableV2(this, 'Table', {
      billing: Billing.onDemand(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
      ...options,
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.BINARY },
      timeToLiveAttribute: 'x',
    })
  }
}
