import { App } from 'aws-cdk-lib'
import wordCount from '../functions/word-count/topology.ts'
import { StreamsStack } from './stacks/streams-stack.ts'

const app = new App()
new StreamsStack(app, 'WordCount', {
  topology: wordCount,
  entry: 'functions/word-count/handler.ts',
  applicationId: 'word-count',
  description: 'Counts words: a Kafka Streams topology as Lambda functions',
})
