import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import manifest from './package.json' with { type: 'json' }

/** The doors of the package, by the names under which users import them. */
const alias = Object.entries(manifest.exports).map(([door, file]) => ({
  find: new RegExp(`^millrace${door.slice(1)}$`),
  replacement: fileURLToPath(new URL(file, import.meta.url)),
}))

/** Random scenarios that Java runs as well. */
const javaFuzz = 'test/conformance/fuzz/java.test.ts'
/** Stacks that are deployed on the local AWS. */
const deployments = 'test/deploy/*.real.test.ts'
/** Three workloads on real parts that are killed and stopped. */
const chaos = 'test/chaos/chaos.real.test.ts'

export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/broker/**', javaFuzz, deployments, chaos] } },
      {
        extends: true,
        test: {
          name: 'real',
          include: ['test/broker/**/*.test.ts', javaFuzz, deployments, chaos],
          globalSetup: ['test/broker/global-setup.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
