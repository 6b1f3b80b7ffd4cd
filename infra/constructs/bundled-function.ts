import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Architecture, CfnFunction, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogLevel, NodejsFunction, OutputFormat, SourceMapMode } from 'aws-cdk-lib/aws-lambda-nodejs'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { StreamsError } from '../../src/errors.ts'
import { bundleAlias, bundleNodeOptions, bundleOptions } from './bundle-options.ts'
import type { FunctionOptions } from './function-options.ts'
import type { KafkaNetwork } from './kafka-cluster.ts'
import { functionRole, givenRole, logStatement } from './permissions.ts'

export interface BundledFunctionProps {
  /** A .ts file that exports `handler`; relative to the working directory of the synthesis. */
  readonly entry: string
  readonly description: string
  readonly environment: Readonly<Record<string, string>>
  readonly timeout: Duration
  readonly memoryMb: number
  readonly network: KafkaNetwork | undefined
  readonly logRetention: RetentionDays
  /** Beyond writing to its own log group. */
  readonly statements: readonly PolicyStatement[]
  /** The export that Lambda calls. Default: `handler`. */
  readonly handler?: string
  /** The user's, over everything above. */
  readonly options?: Partial<FunctionOptions>
}

/** A function in one ESM file, made by the local esbuild, with a role of its own that is complete before anything uses it. */
export class BundledFunction extends Construct {
  readonly function: NodejsFunction
  readonly logGroup: LogGroup

  constructor(scope: Construct, id: string, props: BundledFunctionProps) {
    super(scope, id)
    this.logGroup = new LogGroup(this, 'Logs', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY })
    const { role, environment, bundling, ...options } = props.options ?? {}
    const statements = [logStatement(this.logGroup.logGroupArn), ...props.statements]
    const entry = resolve(props.entry)
    if (!existsSync(entry)) throw new StreamsError('CONFIG_INVALID', `The entry "${props.entry}" of the function does not exist`)
    const projectRoot = folderOfLockFile(entry)
    this.function = new NodejsFunction(this, 'Function', {
      // Lambda's limit; names of topics may be longer.
      description: props.description.slice(0, 256),
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMb,
      timeout: props.timeout,
      projectRoot,
      depsLockFilePath: join(projectRoot, 'package-lock.json'),
      ...options,
      entry,
      handler: props.handler ?? 'handler',
      runtime: Runtime.NODEJS_24_X,
      environment: {
        ...environment,
        NODE_OPTIONS: [bundleNodeOptions, environment?.NODE_OPTIONS ?? ''].join(' ').trim(),
        ...props.environment,
      },
      role: role === undefined ? functionRole(this, 'Role', statements) : givenRole(this, role, statements),
      logGroup: this.logGroup,
      loggingFormat: LoggingFormat.JSON,
      bundling: {
        ...bundleOptions,
        logLevel: LogLevel.WARNING,
        sourceMap: true,
        sourceMapMode: SourceMapMode.DEFAULT,
        bundleAwsSDK: true,
        ...bundling,
        esbuildArgs: { '--alias': aliasArgs, ...bundling?.esbuildArgs },
        format: OutputFormat.ESM,
        mainFields: [...bundleOptions.mainFields],
        banner: bundleOptions.banner,
      },
      ...networkProps(props.network),
    })
  }

  /** Another one whenever the code is another one. */
  get codeKey(): string {
    const { defaultChild } = this.function.node
    if (!(defaultChild instanceof CfnFunction)) throw new StreamsError('CONFIG_INVALID', `${this.node.path} is not a function`)
    return String(Stack.of(this).resolve(defaultChild.code).s3Key)
  }
}

const aliasArgs = Object.entries(bundleAlias).map(([name, module]) => `${name}=${module}`)

const networkProps = (network: KafkaNetwork | undefined) =>
  network === undefined
    ? {}
    : {
        vpc: network.vpc,
        ...(network.vpcSubnets === undefined ? {} : { vpcSubnets: network.vpcSubnets }),
        ...(network.securityGroups === undefined ? {} : { securityGroups: [...network.securityGroups] }),
      }

/** The project of an entry: bundles are made from its dependencies. */
function folderOfLockFile(entry: string): string {
  for (let folder = dirname(entry); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package-lock.json'))) return folder
    if (folder === dirname(folder))
      throw new StreamsError('CONFIG_INVALID', `No package-lock.json stands above "${entry}": install the dependencies with npm`)
  }
}
