// What two texts differ in: the longest common subsequence of their parts (lines, words) between
// what they begin and end with alike. Above the limit everything between counts as changed.
export interface Part { kind: 'same' | 'added' | 'removed'; text: string }

const kCellsMax = 4_000_000

export const compareLines = (before: string, after: string): Part[] =>
  compareParts(before.split('\n'), after.split('\n'))

export function compareParts(a: string[], b: string[]): Part[] {
  let begin = 0
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) ++begin
  let end = 0
  while (end < a.length - begin && end < b.length - begin &&
    a[a.length - 1 - end] === b[b.length - 1 - end]) ++end
  const same = (parts: string[]): Part[] => parts.map((text) => ({ kind: 'same', text }))
  return [
    ...same(a.slice(0, begin)),
    ...between(a.slice(begin, a.length - end), b.slice(begin, b.length - end)),
    ...same(a.slice(a.length - end)),
  ]
}

function between(a: string[], b: string[]): Part[] {
  const width = b.length + 1
  if ((a.length + 1) * width > kCellsMax) {
    return [...a.map((text): Part => ({ kind: 'removed', text })),
      ...b.map((text): Part => ({ kind: 'added', text }))]
  }
  // length[i * width + j]: of the longest common subsequence of a[i..] and b[j..].
  const length = new Uint32Array((a.length + 1) * width)
  const at = (i: number, j: number): number => length[i * width + j] ?? 0
  for (let i = a.length - 1; i >= 0; --i) {
    for (let j = b.length - 1; j >= 0; --j) {
      length[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1
        : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const parts: Part[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      parts.push({ kind: 'same', text: a[i++] ?? '' })
      ++j
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) {
      parts.push({ kind: 'removed', text: a[i++] ?? '' })
    } else {
      parts.push({ kind: 'added', text: b[j++] ?? '' })
    }
  }
  return parts
}
