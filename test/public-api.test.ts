import { expect, it } from 'vitest'
import { type Door, doors, reExports } from './doors.ts'

const listing = ({ name, exports }: Door): string => {
  const sorted = [...exports].sort((one, other) => (one.name < other.name ? -1 : 1))
  return [name, ...sorted.map(({ name, typeOnly }) => (typeOnly ? `  type ${name}` : `  ${name}`)), ''].join('\n')
}

it('has these names behind its doors, and no others', async () => {
  await expect(doors.map(listing).join('\n')).toMatchFileSnapshot('public-api.txt')
})

it('has doors that hold named re-exports and nothing else', () => {
  const comments = /\/\*\*[\s\S]*?\*\/|^\/\/.*$/gm
  const others = doors.map(({ name, text }) => ({ name, rest: text.replace(reExports, '').replace(comments, '').trim() }))
  expect(others.filter(({ rest }) => rest !== '')).toEqual([])
})
