import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, inject, test } from 'vitest'

const kafka = inject('kafka')
const dynamodb = inject('dynamodb')

describe.skipIf(kafka === null)('a real broker', () => {
  test('is a cluster of one that lists itself', async () => {
    const admin = new Kafka({ brokers: [...(kafka ?? [])], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const { brokers } = await admin.describeCluster()
    await admin.disconnect()
    expect(brokers.map(({ host, port }) => `${host}:${port}`)).toEqual(kafka)
  })
})

describe.skipIf(dynamodb === null)('a real DynamoDB Local', () => {
  test('answers requests', async () => {
    const answer = await fetch(dynamodb ?? '', { method: 'POST' })
    expect(answer.status).toBe(400)
  })
})
