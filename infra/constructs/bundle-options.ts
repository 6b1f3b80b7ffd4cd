/** How a function becomes one file, whoever runs esbuild: the CDK at a deployment, tests and benchmarks on a laptop. */
export const bundleOptions = {
  format: 'esm',
  target: 'node24',
  minify: true,
  sourcesContent: false,
  mainFields: ['module', 'main'],
  // Packages in CommonJS call require, which an ES module does not have.
  banner: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  logLevel: 'warning',
} as const

/**
 * Node's HTTP modules are taken as CommonJS has them: an ES import of `node:http` reads all that it exports, `WebSocket` among it, for
 * which Node then loads its whole fetch implementation, a fifth of the CPU time of a cold start. Without characters that a shell reads.
 */
export const bundleAlias: Readonly<Record<string, string>> = Object.fromEntries(
  ['http', 'https', 'node:http', 'node:https'].map((name) => [
    name,
    `data:text/javascript,module.exports%3Dprocess.getBuiltinModule%28%22${name}%22%29`,
  ]),
)

/** What Node needs to show lines of the sources in stack traces. */
export const bundleNodeOptions = '--enable-source-maps'
