import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../..')
const pom = join(import.meta.dirname, 'pom.xml')
const javaMajorMin = 17

const versionOf = (command: string): string | null => {
  const { status, stdout, stderr } = spawnSync(command, ['-version'], { encoding: 'utf8' })
  return status === 0 ? `${stdout}${stderr}` : null
}

/** One line that says what to install before a real broker can run here, or null when everything is there. */
export const missingRealParts = (): string | null => missingJava('Tests on a real Kafka and DynamoDB')

/** One line that says what to install for what needs Java and Maven, or null when both are there. `what` is in the plural. */
export const missingJava = (what: string): string | null => {
  const java = versionOf('java')
  const major = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0)
  if (major < javaMajorMin) {
    const found = java === null ? 'no java command was found' : `java ${major} was found`
    return `${what} need a Java runtime >= ${javaMajorMin} (${found}): install one, e.g. "apt install openjdk-17-jre-headless maven" or "brew install openjdk maven".`
  }
  if (versionOf('mvn') === null) {
    return `${what} fetch their jars with Maven (no mvn command was found): "apt install maven" or "brew install maven".`
  }
  return null
}

/** Folder with the jars of one profile of pom.xml; Maven runs only when the pom has changed since. */
export const jarsOf = async (profile: 'kafka' | 'dynamodb'): Promise<string> => {
  const stamp = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 16)
  const folder = join(root, '.cache', 'jars', `${profile}-${stamp}`)
  if (existsSync(folder)) return folder
  // Into a folder of its own first: an interrupted download, or a second process, leaves no half-filled folder.
  const work = `${folder}.${process.pid}`
  await mkdir(work, { recursive: true })
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
  const args = ['--batch-mode', '--quiet', '--file', pom, `-P${profile}`, goal, `-DoutputDirectory=${work}`]
  try {
    await promisify(execFile)('mvn', args, { maxBuffer: 64 * 1024 * 1024 })
    await writeFile(join(work, 'fetched-from-pom'), stamp)
    await rename(work, folder)
  } catch (error) {
    await rm(work, { recursive: true, force: true })
    if (!existsSync(folder)) throw new Error(`Maven could not fetch the jars of ${profile}: mvn ${args.join(' ')}`, { cause: error })
  }
  return folder
}
