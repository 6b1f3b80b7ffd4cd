/** Readable on white and on black: everything takes its colour from a class, and the classes from what the reader prefers. */
const style = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #59636e }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .axis { stroke: #59636e; stroke-width: 1 }
  .target { stroke: #1f2328; stroke-width: 2 }
  .line { fill: none; stroke-width: 2 }
  .s0 { --c: #0072b2 } .s1 { --c: #d55e00 } .s2 { --c: #009e73 } .s3 { --c: #aa4499 }
  .s4 { --c: #b8860b } .s5 { --c: #88ccee } .s6 { --c: #8c8c8c } .s7 { --c: #882255 }
  .s0, .s1, .s2, .s3, .s4, .s5, .s6, .s7 { stroke: var(--c) }
  .fill { fill: var(--c); stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .axis { stroke: #9198a1 }
    .target { stroke: #f0f6fc }
    .s0 { --c: #56b4e9 } .s1 { --c: #e69f00 } .s2 { --c: #2fc79a } .s3 { --c: #dd88cc }
    .s4 { --c: #f0e442 } .s5 { --c: #2277bb } .s6 { --c: #9a9a9a } .s7 { --c: #cc4466 }
  }`

export const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Coordinates with a tenth of a pixel: a picture is the same wherever it is drawn. */
export const px = (value: number): string => String(Number(value.toFixed(1)))

/** The picture's own title is what is read out for it. */
export const picture = (title: string, size: { readonly width: number; readonly height: number }, body: readonly string[]): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}\n</style>`,
    text(title, 16, 24, { class: 'title' }),
    ...body,
    '</svg>',
    '',
  ].join('\n')

interface TextOptions {
  readonly class?: string
  readonly anchor?: 'start' | 'middle' | 'end'
  /** Degrees, around its own place. */
  readonly turned?: number
}

export const text = (content: string, x: number, y: number, { class: name, anchor = 'start', turned }: TextOptions = {}): string => {
  const named = name === undefined ? '' : ` class="${name}"`
  const turn = turned === undefined ? '' : ` transform="rotate(${turned} ${px(x)} ${px(y)})"`
  return `<text${named} x="${px(x)}" y="${px(y)}" text-anchor="${anchor}"${turn}>${escaped(content)}</text>`
}

export const line = (name: string, [x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): string =>
  `<line class="${name}" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`

/** A square and a name for each series, in a row. */
export const legend = (names: readonly string[], x: number, y: number): readonly string[] => {
  const parts: string[] = []
  let at = x
  for (const [series, name] of names.entries()) {
    parts.push(`<rect class="s${series} fill" x="${px(at)}" y="${px(y - 9)}" width="10" height="10"/>`, text(name, at + 15, y))
    at += 15 + 7 * name.length + 18
  }
  return parts
}
