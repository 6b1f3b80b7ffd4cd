export type { LogEntry } from '../runtime/invocation-request.ts'
export { type Adapters, connectKafka, type Identity } from './environment.ts'
export type { KafkaBatchResponse, KafkaEvent, KafkaEventRecord } from './kafka-event.ts'
export { type HandlerContext, type StreamsHandler, type StreamsHandlerOptions, streamsHandler } from './streams-handler.ts'
