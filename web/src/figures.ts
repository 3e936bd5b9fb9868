// A node's figures from its /metrics (Prometheus' text), and what they say of the time between two
// looks: how much was done, and how long it took.

export type Figures = ReadonlyMap<string, number> // By name and labels, as they stand there.

export function parseFigures(text: string): Figures {
  const figures = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const blank = line.lastIndexOf(' ')
    figures.set(line.slice(0, blank), Number(line.slice(blank + 1)))
  }
  return figures
}

// Of all samples of this name, whatever their labels.
export function total(figures: Figures, name: string): number {
  let sum = 0
  for (const [key, value] of figures) {
    if (key === name || key.startsWith(`${name}{`)) sum += value
  }
  return sum
}

export function labelOf(figures: Figures, name: string, label: string): string | null {
  for (const key of figures.keys()) {
    if (key.startsWith(`${name}{`)) return new RegExp(`\\b${label}="([^"]*)"`).exec(key)?.[1] ?? null
  }
  return null
}

interface Bucket { bound: number; count: number }

// Of a histogram, all labels together; the counts are cumulative.
function bucketsOf(figures: Figures, name: string): Bucket[] {
  const counts = new Map<number, number>()
  for (const [key, value] of figures) {
    if (!key.startsWith(`${name}_bucket{`)) continue
    const bound = /le="([^"]*)"/.exec(key)?.[1] ?? ''
    const upper = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    counts.set(upper, (counts.get(upper) ?? 0) + value)
  }
  return [...counts].map(([bound, count]) => ({ bound, count }))
    .sort((a, b) => a.bound - b.bound)
}

// Below which so much of what happened between two looks stayed, in seconds: within its bucket as
// if evenly spread, as Prometheus' histogram_quantile has it. Null if nothing happened.
export function quantile(before: Figures, now: Figures, name: string, share: number):
    number | null {
  const earlier = new Map(bucketsOf(before, name).map(({ bound, count }) => [bound, count]))
  const buckets = bucketsOf(now, name)
    .map(({ bound, count }) => ({ bound, count: count - (earlier.get(bound) ?? 0) }))
  const all = buckets.at(-1)?.count ?? 0
  if (all <= 0) return null
  const rank = share * all
  let lower = 0
  let below = 0
  for (const { bound, count } of buckets) {
    if (count >= rank) {
      if (!Number.isFinite(bound)) return lower
      return lower + (bound - lower) * ((rank - below) / (count - below))
    }
    lower = bound
    below = count
  }
  return lower
}

// A second, between two looks.
export function rate(before: Figures, now: Figures, name: string, elapsedMs: number): number {
  if (elapsedMs <= 0) return 0
  return Math.max(0, (total(now, name) - total(before, name)) * 1_000 / elapsedMs)
}
