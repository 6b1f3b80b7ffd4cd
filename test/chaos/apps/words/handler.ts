import { streamsHandler } from 'millrace/lambda'
import topology from './topology.ts'

export const handler = streamsHandler(topology)
