import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createLambdaFunction, type LambdaFunction, type LambdaFunctionConfig } from '../../src/local/lambda-emulator.ts'

const root = join(import.meta.dirname, 'fixtures')
const open: LambdaFunction[] = []

function lambdaOf(handler: string, change: Partial<LambdaFunctionConfig> = {}): LambdaFunction {
  const lambda = createLambdaFunction({ name: 'fixture', root, handler, timeoutMs: 30_000, memoryMb: 512, ...change })
  open.push(lambda)
  return lambda
}

afterEach(() => Promise.all(open.splice(0).map((lambda) => lambda.close())))

const ask = async (lambda: LambdaFunction, event: unknown) => {
  const { status, error, payload, environment, coldStart, requestId } = await lambda.invoke(JSON.stringify(event))
  const answer = JSON.parse(payload.replaceAll(requestId, '<id>'))
  delete answer?.trace
  return { status, ...(error && { error }), answer, environment, coldStart }
}

const stateOf = (pid: number | undefined): string => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .slice(0, 1)
  } catch {
    return 'gone'
  }
}

describe('an environment', { timeout: 30_000 }, () => {
  it('starts cold, then stays warm with the state of its modules', async () => {
    const lambda = lambdaOf('handlers.count')
    expect([await ask(lambda, null), await ask(lambda, null)]).toEqual([
      { status: 200, answer: 1, environment: 0, coldStart: true },
      { status: 200, answer: 2, environment: 0, coldStart: false },
    ])
  })

  it('gives the handler its event, its context and its variables, and its output to the log', async () => {
    const lines: string[] = []
    const lambda = lambdaOf('handlers.describe', {
      environment: { FLAVOUR: 'mint' },
      onLog: (line, environment) => lines.push(`${environment}: ${line}`),
    })
    const { payload, requestId } = await lambda.invoke(JSON.stringify({ name: 'Ada' }))
    expect(JSON.parse(payload)).toEqual({
      event: { name: 'Ada' },
      context: {
        invokedFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:fixture',
        callbackWaitsForEmptyEventLoop: false,
        functionName: 'fixture',
        functionVersion: '$LATEST',
        memoryLimitInMB: '512',
        logGroupName: '/aws/lambda/fixture',
        logStreamName: 'local/[$LATEST]0',
      },
      remains: true,
      requestId,
      home: 'mint',
    })
    await expect.poll(() => lines).toEqual(['0: hello Ada'])
  })

  it('survives a thrown error', async () => {
    const lambda = lambdaOf('handlers.misbehave')
    const answer = { errorType: 'TypeError', errorMessage: 'no good' }
    expect(await ask(lambda, 'throw')).toEqual({ status: 200, error: 'Unhandled', answer, environment: 0, coldStart: true })
    expect(await ask(lambda, null)).toMatchObject({ status: 200, answer: { calls: 2 }, environment: 0, coldStart: false })
  })

  it('is initialised anew after an exit', async () => {
    const lambda = lambdaOf('handlers.misbehave')
    const answer = { errorType: 'Runtime.ExitError', errorMessage: 'RequestId: <id> Error: Runtime exited with error: exit status 3' }
    expect(await ask(lambda, 'exit')).toEqual({ status: 200, error: 'Unhandled', answer, environment: 0, coldStart: true })
    expect(await ask(lambda, null)).toMatchObject({ status: 200, answer: { calls: 1 }, environment: 0, coldStart: true })
  })

  it('reports a forgotten rejection and is initialised anew', async () => {
    const lambda = lambdaOf('handlers.misbehave')
    const answer = { errorType: 'Runtime.UnhandledPromiseRejection', errorMessage: 'forgotten' }
    expect(await ask(lambda, 'reject later')).toEqual({ status: 200, error: 'Unhandled', answer, environment: 0, coldStart: true })
    expect(await ask(lambda, null)).toMatchObject({ answer: { calls: 1 }, coldStart: true })
  })

  it.each(['hang', 'spin'])('is killed at its timeout while it has to %s', async (event) => {
    const lambda = lambdaOf('handlers.misbehave', { timeoutMs: 1_500 })
    const first = await ask(lambda, null)
    const answer = { errorType: 'Sandbox.Timedout', errorMessage: 'RequestId: <id> Error: Task timed out after 1.50 seconds' }
    expect(await ask(lambda, event)).toEqual({ status: 200, error: 'Unhandled', answer, environment: 0, coldStart: false })
    expect(stateOf(first.answer.pid)).toBe('gone')
  })

  it('that lingers is given up at its timeout, lives on for a while, and is not used again', async () => {
    const lambda = lambdaOf('handlers.misbehave', { timeoutMs: 1_500, lingerMs: 1_000 })
    const first = await ask(lambda, null)
    expect(await ask(lambda, 'hang')).toMatchObject({ error: 'Unhandled', answer: { errorType: 'Sandbox.Timedout' }, environment: 0 })
    expect(stateOf(first.answer.pid)).not.toBe('gone')
    expect(await ask(lambda, null)).toMatchObject({ environment: 1, coldStart: true })
    await expect.poll(() => stateOf(first.answer.pid), { timeout: 10_000 }).toBe('gone')
  })

  it('is killed above its memory', async () => {
    const lambda = lambdaOf('handlers.misbehave', { memoryMb: 256 })
    const answer = { errorType: 'Runtime.ExitError', errorMessage: 'RequestId: <id> Error: Runtime exited with error: signal: killed' }
    expect(await ask(lambda, 'hog')).toEqual({ status: 200, error: 'Unhandled', answer, environment: 0, coldStart: true })
    expect(await ask(lambda, null)).toMatchObject({ answer: { calls: 1 }, coldStart: true })
  })

  it('is frozen between invocations: its timers stand still', async () => {
    const lambda = lambdaOf('handlers.tick')
    const { answer: before } = await ask(lambda, null)
    await expect.poll(() => stateOf(before.pid)).toBe('T')
    // Hundreds of ticks could pass while another environment works.
    await ask(lambdaOf('handlers.meet'), null)
    const { answer: after } = await ask(lambda, null)
    expect(after.ticks - before.ticks).toBeLessThan(100)
  })

  it('is replaced when it is recycled', async () => {
    const lambda = lambdaOf('handlers.count')
    await ask(lambda, null)
    const [pid] = lambda.pids
    await lambda.recycle()
    expect(stateOf(pid)).toBe('gone')
    expect(await ask(lambda, null)).toEqual({ status: 200, answer: 1, environment: 1, coldStart: true })
  })
})

describe('initialisation', { timeout: 30_000 }, () => {
  it('that throws is the answer of each invocation', async () => {
    const lambda = lambdaOf('broken.handler')
    const answer = { errorType: 'RangeError', errorMessage: 'cannot start' }
    const failed = { status: 200, error: 'Unhandled', answer, environment: 0, coldStart: true }
    expect([await ask(lambda, null), await ask(lambda, null)]).toEqual([failed, failed])
  })

  it.each([
    ['nowhere.handler', { errorType: 'Runtime.ImportModuleError', errorMessage: "Cannot find module 'nowhere'" }],
    ['handlers.nothing', { errorType: 'Runtime.HandlerNotFound', errorMessage: 'handlers.nothing is undefined or not exported' }],
  ])('without a handler at %s says so', async (handler, answer) => {
    expect(await ask(lambdaOf(handler), null)).toEqual({ status: 200, error: 'Unhandled', answer, environment: 0, coldStart: true })
  })

  it('above its limit is repeated on the clock of the invocation', async () => {
    const lambda = lambdaOf('slow-once.handler', { initTimeoutMs: 1_500 })
    expect(await ask(lambda, null)).toEqual({ status: 200, answer: 'started', environment: 0, coldStart: true })
  })
})

describe('a payload', { timeout: 30_000 }, () => {
  it('above 6 MB is refused and runs nothing', async () => {
    const lambda = lambdaOf('handlers.count')
    const { requestId, ...refused } = await lambda.invoke(`"${'x'.repeat(6 * 1024 * 1024 - 1)}"`)
    expect(refused).toEqual({
      ...{ status: 413, error: 'Unhandled', payload: '{"__type":"RequestEntityTooLargeException"}' },
      ...{ environment: -1, coldStart: false, durationMs: 0, memoryMbMax: 0 },
    })
    expect(lambda.pids).toEqual([])
  })

  it('of exactly 6 MB is handled', async () => {
    const { status, payload } = await lambdaOf('handlers.count').invoke(`"${'x'.repeat(6 * 1024 * 1024 - 2)}"`)
    expect({ status, payload }).toEqual({ status: 200, payload: '1' })
  })

  it('above 6 MB as an answer is an error that the environment survives', async () => {
    const lambda = lambdaOf('handlers.large')
    const tooLarge = {
      errorType: 'Function.ResponseSizeTooLarge',
      errorMessage: 'Response payload size exceeded maximum allowed payload size (6291456 bytes).',
    }
    expect(await ask(lambda, 6 * 1024 * 1024 + 1)).toEqual({
      status: 200,
      error: 'Unhandled',
      answer: tooLarge,
      environment: 0,
      coldStart: true,
    })
    expect((await lambda.invoke(String(6 * 1024 * 1024))).payload.length).toBe(6 * 1024 * 1024)
  })
})

describe('concurrency', { timeout: 30_000 }, () => {
  it('takes one environment for each invocation that runs at the same time', async () => {
    const lambda = lambdaOf('handlers.meet')
    const first = await Promise.all([ask(lambda, 1), ask(lambda, 2), ask(lambda, 3)])
    expect(first.map(({ environment }) => environment)).toEqual([0, 1, 2])
    expect(new Set(first.map(({ answer }) => answer)).size).toBe(3)
    expect((await ask(lambda, 4)).coldStart).toBe(false)
  })

  it('above the reserve is refused with 429', async () => {
    const lambda = lambdaOf('handlers.meet', { reservedConcurrency: 1 })
    const [first, second] = await Promise.all([ask(lambda, 1), ask(lambda, 2)])
    expect(first?.status).toBe(200)
    expect(second).toEqual({
      ...{ status: 429, error: 'Unhandled', environment: -1, coldStart: false },
      answer: { __type: 'TooManyRequestsException', Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded' },
    })
  })
})

describe('the end', { timeout: 30_000 }, () => {
  it('by close leaves no process, neither frozen, nor running, nor started by a handler', async () => {
    const lambda = lambdaOf('handlers.child')
    const { answer: grandchild } = await ask(lambda, null)
    const hanging = lambdaOf('handlers.misbehave')
    await ask(hanging, null)
    const pids = [...lambda.pids, ...hanging.pids, grandchild]
    const running = ask(hanging, 'hang')
    await Promise.all([lambda.close(), hanging.close()])
    expect(await running).toMatchObject({ status: 200, error: 'Unhandled', answer: { errorType: 'Runtime.ExitError' } })
    await expect.poll(() => pids.map(stateOf).map((state) => (state === 'Z' ? 'gone' : state))).toEqual(['gone', 'gone', 'gone'])
  })

  it('of a runtime by itself takes along what the handler started', async () => {
    const lines: string[] = []
    const answer = { errorType: 'Runtime.ExitError', errorMessage: 'RequestId: <id> Error: Runtime exited with error: exit status 0' }
    expect(await ask(lambdaOf('handlers.child', { onLog: (line) => lines.push(line) }), 'exit')).toMatchObject({
      error: 'Unhandled',
      answer,
    })
    await expect.poll(() => lines).toEqual([expect.stringMatching(/^child \d+$/)])
    await expect.poll(() => stateOf(Number(lines[0]?.slice(6)))).toMatch(/gone|Z/)
  })

  it('by a kill of the parent leaves no process either', async () => {
    const pid = await new Promise<number>((resolve) => {
      execFile(process.execPath, [join(root, 'orphan-parent.ts')], (_, stdout) => resolve(Number(stdout)))
    })
    expect(pid).toBeGreaterThan(0)
    await expect.poll(() => stateOf(pid)).toMatch(/gone|Z/)
  })
})
