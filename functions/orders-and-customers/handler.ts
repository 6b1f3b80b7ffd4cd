import { queryHandler, streamsHandler } from 'millrace/lambda'
import topology from './topology.ts'

export const handler = streamsHandler(topology)
export const queries = queryHandler(topology)
