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

/** What Node needs to show lines of the sources in stack traces. */
export const bundleNodeOptions = '--enable-source-maps'
