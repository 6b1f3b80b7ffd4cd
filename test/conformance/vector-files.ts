import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Vector } from './scenario.ts'

/** The vectors in files and folders (their `*.jsonl`), in the order of the lines; throws where something cannot be read as such. */
export const readVectors = (paths: readonly string[]): readonly Vector[] => paths.flatMap((path) => filesOf(path).flatMap(vectorsOf))

const filesOf = (path: string): readonly string[] => {
  if (!statSync(path).isDirectory()) return [path]
  const files = readdirSync(path)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
  if (files.length === 0) throw new Error(`${path} has no .jsonl files`)
  return files.map((name) => join(path, name))
}

const vectorsOf = (file: string): readonly Vector[] => {
  const text = readFileSync(file, 'utf8')
  const parts = file.endsWith('.json') ? [text] : text.split('\n')
  return parts.flatMap((part, at) => (part.trim() === '' ? [] : [parsed(part, parts.length === 1 ? file : `${file}:${at + 1}`)]))
}

const parsed = (text: string, where: string): Vector => {
  let vector: unknown
  try {
    vector = JSON.parse(text)
  } catch (error) {
    throw new Error(`${where} is not JSON: ${error instanceof Error ? error.message : error}`)
  }
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  if (
    isObject(vector) &&
    typeof vector.name === 'string' &&
    ('table' in vector ? Array.isArray(vector.rows) : Array.isArray(vector.topology) && isObject(vector.expect))
  ) {
    return vector as unknown as Vector
  }
  throw new Error(`${where} is not a vector: it takes a name and either topology and expect, or table and rows`)
}
