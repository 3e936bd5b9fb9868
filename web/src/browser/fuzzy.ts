// How well what somebody typed fits a name, of which it may leave letters out.

const isStart = (text: string, at: number): boolean =>
  at === 0 || /[\s/._-]/.test(text.charAt(at - 1))

// Null when it does not fit; otherwise, more is better. All words of the query must be there.
export function fit(query: string, name: string): number | null {
  const text = name.toLowerCase()
  let total = 0
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const score = fitWord(word, text)
    if (score === null) return null
    total += score
  }
  return total - text.length / 1_000
}

function fitWord(word: string, text: string): number | null {
  const whole = text.indexOf(word)
  if (whole !== -1) {
    for (let at = whole; at !== -1; at = text.indexOf(word, at + 1)) {
      if (isStart(text, at)) return at === 0 ? 100 : 80
    }
    return 60
  }
  // Letter by letter, each after the one before.
  let at = -1
  let score = 0
  for (const letter of word) {
    const next = text.indexOf(letter, at + 1)
    if (next === -1) return null
    score += next === at + 1 ? 3 : isStart(text, next) ? 4 : 0
    at = next
  }
  return score / word.length + 10
}

// The best first; those that fit equally well in the order that they came in.
export function bestOf<T>(query: string, items: readonly T[], nameOf: (item: T) => string): T[] {
  const fitting: { item: T; score: number }[] = []
  for (const item of items) {
    const score = query.trim() === '' ? 0 : fit(query, nameOf(item))
    if (score !== null) fitting.push({ item, score })
  }
  return fitting.sort((a, b) => b.score - a.score).map(({ item }) => item)
}
