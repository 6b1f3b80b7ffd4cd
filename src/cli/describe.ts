import { loadApp } from './apps.ts'

/** `millrace describe`: Java's text, or a mermaid flowchart. */
export const describe = async (name: string, options: { readonly mermaid?: boolean }): Promise<void> => {
  const { topology } = await loadApp(name)
  process.stdout.write(options.mermaid ? topology.toMermaid() : topology.describe())
}
