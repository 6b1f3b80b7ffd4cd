export { createEventSourceMapping, type EventSourceMapping, type EventSourceMappingConfig } from './event-source-mapping.ts'
export { createLambdaFunction, type LambdaFunction, type LambdaFunctionConfig } from './lambda-emulator.ts'
export { createLocalEngine, type LocalEngine, type LocalEngineOptions } from './local-engine.ts'
export { type FeedOptions, feedInput, type InputRecord, type LocalInput } from './local-input.ts'
