import type { TestProject } from 'vitest/node'
import { startDynamoDbLocal } from './dynamodb.ts'
import { startKafka } from './kafka.ts'
import { missingRealParts } from './real-parts.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Bootstrap servers of the broker that the suites share, or null where Java or Maven is missing: skip. */
    kafka: readonly string[] | null
    /** Endpoint of the DynamoDB Local that the suites share, or null. */
    dynamodb: string | null
  }
}

/** Starts one broker and one table server for all suites of the project. Missing parts are an error in CI and a skip elsewhere. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const missing = missingRealParts()
  if (missing !== null) {
    if (process.env.CI === 'true') throw new Error(missing)
    console.warn(missing)
    project.provide('kafka', null)
    project.provide('dynamodb', null)
    return async () => {}
  }
  const [kafka, dynamodb] = await Promise.all([startKafka(), startDynamoDbLocal()])
  project.provide('kafka', kafka.bootstrap)
  project.provide('dynamodb', dynamodb.endpoint)
  return async () => {
    await Promise.all([kafka.stop(), dynamodb.stop()])
  }
}
