// What is new between two looks at the cluster.
import type { ClusterStatus, NodeStatus } from './api'

export interface Seen {
  timeMs: number
  commit: number
  leader: string // '0' = none.
  term: number
  down: string
}
export interface Happening { timeMs: number; text: string }

export function summarize(status: ClusterStatus, timeMs: number): Seen {
  const nodes = status.nodes ?? []
  const most = (pick: (node: NodeStatus) => string | undefined) =>
    nodes.reduce((highest, each) => Math.max(highest, Number(pick(each) ?? 0)), 0)
  return {
    timeMs, commit: most((each) => each.commitIndex), term: most((each) => each.term),
    leader: status.leaderId ?? '0',
    down: nodes.filter((each) => !each.isReachable).map((each) => `n${each.nodeId}`).join(', '),
  }
}

// Since when there has been no leader, by the looks so far, oldest first; null while there is one.
export function leaderlessSince(looks: readonly Seen[]): number | null {
  let since: number | null = null
  for (const look of looks) since = look.leader === '0' ? since ?? look.timeMs : null
  return since
}

export function whatHappened(looks: readonly Seen[], now: Seen): string[] {
  const last = looks.at(-1)
  if (!last) return []
  const news: string[] = []
  if (now.leader !== last.leader || now.term !== last.term) {
    const since = leaderlessSince(looks)
    const gap = since === null ? '' : `, after ${((now.timeMs - since) / 1_000).toFixed(1)} s without`
    news.push(now.leader === '0' ? `no leader in term ${now.term}`
      : `n${now.leader} leads in term ${now.term}${gap}`)
  }
  if (now.down !== last.down) {
    news.push(now.down ? `not reachable: ${now.down}` : 'all are reachable')
  }
  return news
}
