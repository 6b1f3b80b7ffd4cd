/** A template's value as one reads it: references as `<Name>` and `<Name.Attribute>`, without the digest of the logical id; joins joined. */
export function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable)
  if (typeof value !== 'object' || value === null) return value
  const [[key, inner] = ['', undefined], ...more] = Object.entries(value)
  if (more.length === 0 && key === 'Ref') return `<${nameOf(String(inner))}>`
  if (more.length === 0 && key === 'Fn::GetAtt') return `<${nameOf(String(inner[0]))}.${inner[1]}>`
  if (more.length === 0 && key === 'Fn::Join') return (readable(inner[1]) as readonly unknown[]).join(inner[0])
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, readable(entry)]))
}

export const nameOf = (logicalId: string): string => logicalId.replace(/[0-9A-F]{8}$/, '')
