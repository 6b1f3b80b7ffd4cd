import { type Profiler, Session } from 'node:inspector/promises'

const intervalUs = 250

/** Profiles what runs between start and stop, in this process. */
export const startRecorder = async () => {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: intervalUs })
  return {
    start: (): Promise<void> => session.post('Profiler.start'),
    stop: async (): Promise<Profiler.Profile> => (await session.post('Profiler.stop')).profile,
    [Symbol.dispose]: (): void => session.disconnect(),
  }
}
