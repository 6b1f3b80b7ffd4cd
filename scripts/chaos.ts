import { createWriteStream } from 'node:fs'
import { parseArgs } from 'node:util'
import { textTable } from '../src/cli/text-table.ts'
import { type ChaosOptions, type ChaosReport, runChaos } from '../test/chaos/chaos.ts'
import { isClean } from '../test/chaos/findings.ts'
import { workloads } from '../test/chaos/workloads.ts'
import { runCommand } from './command.ts'

/** `npm run chaos`: real parts that fail, and a verdict. Exit code 1: something is lost, twice, out of order or wrong; 2: wrong arguments, or no Java. */
const names = workloads.map(({ name }) => name)

const usage = `Usage: npm run chaos -- [--minutes M] [--seed S] [--workload W] [--log FILE]

  --minutes   for how long there are faults; starting and draining come on top. Default: 3
  --seed      chooses the faults and the input. Default: 1
  --workload  one of ${names.join(', ')}. Default: all of them, side by side
  --log       where all lines of the processes' logs and all faults are written

Three brokers, DynamoDB Local behind a proxy, and the bundled handlers as processes of a local Lambda: all of them are killed,
stopped and cut off. Needs Java 17+ and Maven. Prints progress, a table, one line of JSON, and last
\`N kills, N transactions, N records, N losses, N duplicates\`.`

type Request = Omit<ChaosOptions, 'tell' | 'log'> & { readonly help: boolean; readonly logFile: string | undefined }

const requestOf = (args: readonly string[]): Request => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      minutes: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
      workload: { type: 'string' },
      log: { type: 'string' },
    },
  })
  const { help, seed, workload, log: logFile } = values
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error(`--minutes is a number above 0, up to a day of them, not ${values.minutes}`)
  if (workload !== undefined && !names.includes(workload)) throw new Error(`--workload is one of ${names.join(', ')}, not ${workload}`)
  return { help, seed, minutes, logFile, workloads: workloads.filter(({ name }) => workload === undefined || name === workload) }
}

const tablesOf = ({ workloads, faults, errors, takeover }: ChaosReport): string => {
  const seconds = (ms: number | null): string => (ms === null ? '-' : `${(ms / 1000).toFixed(2)} s`)
  const { p50Ms, p99Ms, maxMs, count } = takeover
  return [
    textTable(
      ['workload', 'transactions', 'in', 'out', 'losses', 'duplicates', 'reorderings', 'wrong'],
      workloads.map((it) => [
        ...[it.name, it.transactions, it.recordsIn, it.recordsOut],
        ...[it.losses, it.duplicates, it.reorderings, it.wrong],
      ]),
    ),
    textTable(['fault', 'times'], Object.entries(faults)),
    ...(Object.keys(errors).length > 0 ? [textTable(['failure that was tried again', 'times'], Object.entries(errors))] : []),
    `  time to take over after a kill: p50 ${seconds(p50Ms)}, p99 ${seconds(p99Ms)}, longest ${seconds(maxMs)} (${count} tasks)`,
  ].join('\n\n')
}

const lastLine = ({ kills, transactions, records, findings: { losses, duplicates } }: ChaosReport): string =>
  `${kills} kills, ${transactions} transactions, ${records} records, ${losses} losses, ${duplicates} duplicates`

const attack = async (request: Request): Promise<number> => {
  const beganMs = performance.now()
  const file = request.logFile === undefined ? undefined : createWriteStream(request.logFile)
  const log = (line: string): void => void file?.write(`${new Date().toISOString()} ${line}\n`)
  const report = await runChaos({
    ...request,
    log,
    tell(line) {
      log(line)
      console.error(`${((performance.now() - beganMs) / 1000).toFixed(0).padStart(5)} s  ${line}`)
    },
  })
  file?.end()
  for (const example of report.findings.examples) console.log(example)
  console.log(`${tablesOf(report)}\n\n${JSON.stringify(report)}\n${lastLine(report)}`)
  return isClean(report.findings) ? 0 : 1
}

process.exitCode = await runCommand({ usage, requestOf, java: 'Chaos runs', run: attack })
