#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { messageOf, StreamsError } from '../errors.ts'
import { describe } from './describe.ts'
import { query } from './query.ts'
import { reset } from './reset.ts'
import { start } from './start.ts'

const program = new Command('millrace')
  .description('Kafka Streams topologies, written in TypeScript, as serverless functions')
  .showHelpAfterError()
  .exitOverride()

const cluster = (command: Command): Command =>
  command
    .option('--brokers <host:port,...>', 'a real Kafka instead of the embedded one')
    .option('--table-endpoint <url>', 'a real DynamoDB (or DynamoDB Local) instead of the embedded table')
    .option('--table <name>', 'name of the table (default: the application id)')
    .option('--region <region>', 'AWS region of the table (default: AWS_REGION, else us-east-1)')
    .option('--application-id <id>', 'prefix of topics and transactional ids (default: the name of the app)')

cluster(program.command('start', { isDefault: true }))
  .description('run an app of functions/ on this machine until its input is processed')
  .argument('[app]', 'a folder of functions/', 'word-count')
  .option(
    '--input <file>',
    'feed these lines (.jsonl: {"key", "value", "timestamp"}) instead of the app\'s own input; - reads standard input; TOPIC=FILE, once per topic, where the app reads several',
    (file: string, files: readonly string[] = []) => [...files, file],
  )
  .option('--partitions <n>', 'partitions of topics that do not exist yet', '4')
  .option('--create-topics <yes|no>', 'create user topics that do not exist', 'yes')
  .option('--quiet', 'no progress')
  .action(start)

cluster(program.command('query'))
  .description("read a key of an app's table")
  .argument('<app>', 'a folder of functions/')
  .argument('<store>', 'the store')
  .argument('<key>', 'the key, as text')
  .option('--at-least <seq>', 'as of this transaction or a later one, e.g. the __millrace.seq of an output that you have read')
  .action(query)

cluster(program.command('reset'))
  .description('empty the stores of an app and let it read its input again: says what it would do, and with --execute does it')
  .argument('<app>', 'a folder of functions/')
  .option('--to-earliest', 'from the first record (default)')
  .option('--to-latest', 'from the end')
  .option('--to-current', 'from where it is')
  .option('--to-datetime <time>', 'from the first record that is not older, e.g. 2026-03-01T12:00:00Z')
  .option('--to-offset <topic:partition:offset>', 'of one partition, once for each', (at: string, all: readonly string[] = []) => [
    ...all,
    at,
  ])
  .option('--input-topics <topic,...>', 'only these; the others stay where they are (default: all that the app does not write itself)')
  .option('--skip-lost', 'instead of a reset: keep the stores, and go on with the first record where those that were next are gone')
  .option('--dry-run', 'change nothing (default)')
  .option('--execute', 'do it; a run that died is finished by the next one')
  .action(reset)

program
  .command('describe')
  .description("print an app's topology")
  .argument('[app]', 'a folder of functions/', 'word-count')
  .option('--mermaid', 'as a mermaid flowchart')
  .action(describe)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode
  else {
    process.exitCode = 1
    const text = error instanceof StreamsError || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message)
    process.stderr.write(`\nerror: ${text}\n`)
    if (error instanceof StreamsError) process.stderr.write(`  what to do: ${error.remedy}\n`)
  }
}
