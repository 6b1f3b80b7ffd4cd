import type { GroupOffset, PartitionOffset, TopicPartition, TopicSettings, TopicSpec } from '../../runtime/ports.ts'
import { type Api, byTopic, type OfTopic, type PartitionError } from './apis.ts'
import type { Reader } from './wire.ts'

export interface TopicError {
  readonly topic: string
  readonly error: number
  readonly message: string | null
}

export const createTopics: Api<{ readonly topics: readonly TopicSpec[]; readonly timeoutMs: number }, readonly TopicError[]> = {
  name: 'CreateTopics',
  key: 19,
  versionMin: 7,
  versionMax: 7,
  write(writer, { topics, timeoutMs }) {
    writer.array(topics, ({ topic, partitions, replicationFactor = -1, config }) => {
      writer.string(topic).int32(partitions).int16(replicationFactor)
      writer.array([], () => {})
      writer.array(Object.entries(config), ([name, value]) => writer.string(name).string(value).noTags()).noTags()
    })
    writer.int32(timeoutMs).boolean(false).noTags()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const topic = reader.string()
      reader.uuid()
      const answer = { topic, error: reader.int16(), message: reader.nullableString() }
      reader.int32()
      reader.int16()
      reader.array(() => {
        reader.string()
        reader.nullableString()
        reader.boolean()
        reader.int8()
        reader.boolean()
        reader.tags()
      })
      reader.tags()
      return answer
    })
  },
}

const topicResource = 2

export const describeConfigs: Api<
  { readonly topics: readonly string[]; readonly names: readonly string[] },
  readonly (TopicError & TopicSettings)[]
> = {
  name: 'DescribeConfigs',
  key: 32,
  versionMin: 4,
  versionMax: 4,
  write(writer, { topics, names }) {
    writer.array(topics, (topic) => {
      writer.int8(topicResource).string(topic)
      writer.array(names, (name) => writer.string(name)).noTags()
    })
    writer.boolean(false).boolean(false).noTags()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const [error, message] = [reader.int16(), reader.nullableString()]
      reader.int8()
      const topic = reader.string()
      const settings = reader.array(() => readSetting(reader))
      reader.tags()
      return { topic, error, message, settings: Object.fromEntries(settings.flat()) }
    })
  },
}

/** Name and value, or nothing for a value that the broker keeps to itself. */
const readSetting = (reader: Reader): readonly (readonly [name: string, value: string])[] => {
  const [name, value] = [reader.string(), reader.nullableString()]
  reader.boolean()
  reader.int8()
  reader.boolean()
  reader.array(() => {
    reader.string()
    reader.nullableString()
    reader.int8()
    reader.tags()
  })
  reader.int8()
  reader.nullableString()
  reader.tags()
  return value === null ? [] : [[name, value]]
}

export const deleteTopics: Api<{ readonly topics: readonly string[]; readonly timeoutMs: number }, readonly TopicError[]> = {
  name: 'DeleteTopics',
  key: 20,
  versionMin: 6,
  versionMax: 6,
  write(writer, { topics, timeoutMs }) {
    writer.array(topics, (topic) => writer.string(topic).int64(0).int64(0).noTags())
    writer.int32(timeoutMs).noTags()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const topic = reader.string()
      reader.uuid()
      const answer = { topic, error: reader.int16(), message: reader.nullableString() }
      reader.tags()
      return answer
    })
  },
}

export const deleteRecords: Api<
  { readonly topics: readonly OfTopic<PartitionOffset>[]; readonly timeoutMs: number },
  readonly OfTopic<PartitionError>[]
> = {
  name: 'DeleteRecords',
  key: 21,
  versionMin: 2,
  versionMax: 2,
  write(writer, { topics, timeoutMs }) {
    writer.array(topics, ({ topic, partitions }) => {
      writer.string(topic).array(partitions, ({ partition, offset }) => writer.int32(partition).int64(offset).noTags())
      writer.noTags()
    })
    writer.int32(timeoutMs).noTags()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => {
        const partition = reader.int32()
        reader.int64()
        const answer = { partition, error: reader.int16() }
        reader.tags()
        return answer
      })
      reader.tags()
      return { topic, partitions }
    })
  },
}

export const offsetFetch: Api<
  { readonly groupId: string; readonly partitions: readonly TopicPartition[] },
  { readonly error: number; readonly topics: readonly OfTopic<PartitionError & { readonly offset: number }>[] }
> = {
  name: 'OffsetFetch',
  key: 9,
  versionMin: 8,
  versionMax: 8,
  write(writer, { groupId, partitions }) {
    writer.array([groupId], () => {
      writer.string(groupId)
      writer
        .array(byTopic(partitions), (group) => {
          writer.string(group.topic).array(group.partitions, ({ partition }) => writer.int32(partition))
          writer.noTags()
        })
        .noTags()
    })
    writer.boolean(false).noTags()
  },
  read(reader) {
    reader.int32()
    const [group] = reader.array(() => {
      reader.string()
      const topics = reader.array(() => {
        const topic = reader.string()
        const partitions = reader.array(() => {
          const partition = reader.int32()
          const offset = reader.int64()
          reader.int32()
          reader.nullableString()
          const error = reader.int16()
          reader.tags()
          return { partition, offset, error }
        })
        reader.tags()
        return { topic, partitions }
      })
      const error = reader.int16()
      reader.tags()
      return { error, topics }
    })
    return group ?? { error: 15, topics: [] }
  },
}

/** Without a member: generation -1, as a tool that is no consumer commits. */
export const offsetCommit: Api<
  { readonly groupId: string; readonly offsets: readonly GroupOffset[] },
  { readonly topics: readonly OfTopic<PartitionError>[] }
> = {
  name: 'OffsetCommit',
  key: 8,
  versionMin: 8,
  versionMax: 8,
  write(writer, { groupId, offsets }) {
    writer.string(groupId).int32(-1).string('').string(null)
    writer.array(byTopic(offsets), (group) => {
      writer.string(group.topic)
      writer.array(group.partitions, ({ partition, offset }) => writer.int32(partition).int64(offset).int32(-1).string(null).noTags())
      writer.noTags()
    })
    writer.noTags()
  },
  read(reader) {
    reader.int32()
    return {
      topics: reader.array(() => {
        const topic = reader.string()
        const partitions = reader.array(() => {
          const answer = { partition: reader.int32(), error: reader.int16() }
          reader.tags()
          return answer
        })
        reader.tags()
        return { topic, partitions }
      }),
    }
  },
}
