// All nodes' figures, looked at again and again.
import { authorization } from './api'
import { type Figures, labelOf, parseFigures, quantile, rate } from './figures'
import { allNodes } from './nodes'

const kPatienceMs = 1_500
const kTrailMax = 60

export interface Look { timeMs: number; byNode: ReadonlyMap<string, Figures> }

async function figuresOf(origin: string): Promise<Figures | null> {
  try {
    const answer = await fetch(`${origin}/metrics`,
      { headers: authorization(), signal: AbortSignal.timeout(kPatienceMs) })
    return answer.ok ? parseFigures(await answer.text()) : null
  } catch {
    return null // It is down, or does not let pages of another node ask.
  }
}

export async function look(): Promise<Look> {
  const byNode = new Map<string, Figures>()
  for (const figures of await Promise.all(allNodes().map(figuresOf))) {
    const node = figures && labelOf(figures, 'coterie_node_info', 'node')
    if (node) byNode.set(node, figures)
  }
  return { timeMs: Date.now(), byNode }
}

// Of one node in the time between two looks. Seconds are null where nothing happened.
export interface Pace {
  updates: number // A second, of editors.
  deliveries: number // A second, to editors.
  calls: number // A second, of the API.
  commitMedian: number | null
  commitWorst: number | null // All but 1 of 100 were faster.
  callWorst: number | null
  appendMedian: number | null
}

export function paceOf(before: Look, now: Look, node: string): Pace | null {
  const from = before.byNode.get(node)
  const to = now.byNode.get(node)
  if (!from || !to) return null
  const elapsedMs = now.timeMs - before.timeMs
  const perSecond = (name: string) => rate(from, to, name, elapsedMs)
  return {
    updates: perSecond('coterie_gateway_updates_total'),
    deliveries: perSecond('coterie_gateway_deliveries_total'),
    calls: perSecond('coterie_rpc_seconds_count'),
    commitMedian: quantile(from, to, 'coterie_gateway_commit_seconds', 0.5),
    commitWorst: quantile(from, to, 'coterie_gateway_commit_seconds', 0.99),
    callWorst: quantile(from, to, 'coterie_rpc_seconds', 0.99),
    appendMedian: quantile(from, to, 'coterie_log_append_seconds', 0.5),
  }
}

export interface Point { updates: number; commitWorst: number | null }

// What the whole cluster did, as the newest point of its trail.
export function extend(trail: readonly Point[], before: Look, now: Look): Point[] {
  let updates = 0
  let commitWorst: number | null = null
  for (const node of now.byNode.keys()) {
    const pace = paceOf(before, now, node)
    if (!pace) continue
    updates += pace.updates
    if (pace.commitWorst !== null) commitWorst = Math.max(commitWorst ?? 0, pace.commitWorst)
  }
  return [...trail, { updates, commitWorst }].slice(-kTrailMax)
}

export const milliseconds = (seconds: number | null): string => {
  if (seconds === null) return '–'
  const ms = 1_000 * seconds
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
