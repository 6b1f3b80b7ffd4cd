import { describe, expect, it } from 'vitest'
import { isStreamsError } from '../../src/errors.ts'
import { checkTopicSettings, settingNames } from '../../src/topology/topic-settings.ts'

type Settings = Readonly<Record<string, string>>

const topicOf = (config: Settings, name = 'app-rows-changelog') => ({ name, kind: 'changelog', subTopology: 'in', config }) as const
const command = 'kafka-configs.sh --bootstrap-server BROKERS --alter --entity-type topics --entity-name'

/** What is said of one topic. */
const verdict = (wanted: Settings, found: Settings): string => {
  try {
    const warnings = checkTopicSettings([topicOf(wanted)], [{ topic: 'app-rows-changelog', settings: found }])
    return warnings.length === 0 ? 'taken' : 'taken, with a warning'
  } catch (error) {
    if (!isStreamsError(error, 'TOPIC_MISMATCH')) throw error
    return error.message.replace(/^.*: /, 'refused: ')
  }
}

describe('the settings of an existing topic', () => {
  const aged = 'refused: the last record of a key would be deleted with its age'
  const endless = 'refused: it would grow without end, or lose the last record of a key'
  const merged = 'refused: all but the last record of a key would be deleted'

  it.each([
    ['compact', 'compact', 'taken'],
    ['compact', 'compact,delete', aged],
    ['compact', 'delete', aged],
    ['compact', '', endless],
    ['compact,delete', 'delete, compact', 'taken'],
    ['compact,delete', 'compact', 'taken, with a warning'],
    ['compact,delete', 'delete', endless],
    ['delete', 'delete', 'taken'],
    ['delete', 'compact', merged],
    ['delete', 'compact,delete', merged],
    ['delete', '', 'taken, with a warning'],
  ])('where cleanup.policy must be "%s" and is "%s": %s', (wanted, found, said) => {
    expect(verdict({ 'cleanup.policy': wanted }, { 'cleanup.policy': found })).toBe(said)
  })

  const soon = 'refused: records would be deleted while they are needed'

  it.each([
    ['1000', '1000', 'taken'],
    ['1000', '2000', 'taken, with a warning'],
    ['1000', '-1', 'taken, with a warning'],
    ['1000', '999', soon],
    ['-1', '1000', soon],
    ['9223372036854775807', '-1', 'taken, with a warning'],
  ])('where records must be kept for %s ms and are for %s: %s', (wanted, found, said) => {
    const policy = { 'cleanup.policy': 'compact,delete' }
    expect(verdict({ ...policy, 'retention.ms': wanted }, { ...policy, 'retention.ms': found })).toBe(said)
  })

  it('may have any retention where nothing is deleted', () => {
    const wanted = { 'cleanup.policy': 'compact,delete', 'retention.ms': '2000' }
    expect(verdict(wanted, { 'cleanup.policy': 'compact', 'retention.ms': '1' })).toBe('taken, with a warning')
  })

  it.each([
    ['message.timestamp.type', 'CreateTime', 'LogAppendTime', 'refused: records would get other times than the application gave them'],
    ['max.message.bytes', '8388608', '1048588', 'refused: a transaction could not be committed'],
    ['max.message.bytes', '8388608', '9000000', 'taken, with a warning'],
    ['min.compaction.lag.ms', '86400000', '0', 'refused: versions would be gone before they are in the table'],
    ['min.compaction.lag.ms', '86400000', '90000000', 'taken, with a warning'],
    ['min.insync.replicas', '2', '1', 'refused: a commit could be lost with a broker'],
    ['min.insync.replicas', '2', '3', 'taken, with a warning'],
    ['delete.retention.ms', '604800000', '86400000', 'taken, with a warning'],
    ['segment.bytes', '52428800', '1073741824', 'taken, with a warning'],
  ])('where %s must be %s and is %s: %s', (name, wanted, found, said) => {
    expect(verdict({ [name]: wanted }, { [name]: found })).toBe(said)
  })

  it('are all told at once, with the commands that correct them', () => {
    const windows = { 'cleanup.policy': 'compact,delete', 'retention.ms': '2000', 'segment.bytes': '10' }
    const topics = [topicOf(windows, 'app-windows-changelog'), topicOf({ 'cleanup.policy': 'compact' }, 'app-in-commits')]
    const found = [
      { topic: 'app-in-commits', settings: { 'cleanup.policy': 'delete' } },
      { topic: 'app-windows-changelog', settings: { 'cleanup.policy': 'delete', 'retention.ms': '1000', 'segment.bytes': '20' } },
    ]
    expect(settingNames(topics)).toEqual(['cleanup.policy', 'retention.ms', 'segment.bytes'])
    expect(() => checkTopicSettings(topics, found)).toThrow(
      expect.objectContaining({
        code: 'TOPIC_MISMATCH',
        message: [
          'topic app-windows-changelog has cleanup.policy=delete and needs cleanup.policy=compact,delete: it would grow without end, or lose the last record of a key',
          'topic app-windows-changelog has retention.ms=1000 and needs retention.ms=2000: records would be deleted while they are needed',
          'topic app-in-commits has cleanup.policy=delete and needs cleanup.policy=compact: the last record of a key would be deleted with its age',
        ].join('; '),
        remedy: `Correct the settings: ${command} app-windows-changelog --add-config 'cleanup.policy=[compact,delete],retention.ms=2000' && ${command} app-in-commits --add-config cleanup.policy=compact`,
      }),
    )
  })

  it('that differ and break nothing are told in words', () => {
    const found = [{ topic: 'app-rows-changelog', settings: { 'segment.bytes': '20' } }]
    expect(checkTopicSettings([topicOf({ 'segment.bytes': '10' })], found)).toEqual([
      'topic app-rows-changelog has segment.bytes=20, it would be created with 10',
    ])
  })

  it('are not looked at where the topic, or the setting, is not there', () => {
    const topics = [topicOf({ 'cleanup.policy': 'compact' })]
    expect(checkTopicSettings(topics, [])).toEqual([])
    expect(checkTopicSettings(topics, [{ topic: 'app-rows-changelog', settings: {} }])).toEqual([])
  })
})
