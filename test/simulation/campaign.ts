import type { AppName } from './apps.ts'

/** Seeds take the applications in turn. */
export const appOf = (seed: number, apps: readonly AppName[]): AppName => apps[seed % apps.length] as AppName
