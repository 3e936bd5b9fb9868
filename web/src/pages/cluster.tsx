import { useRef } from 'preact/hooks'

import { call, type ClusterStatus, type NodeStatus } from '../api'
import { node } from '../nodes'
import { messageOf, usePoll } from '../poll'
import { clock } from './pieces'
import { Header } from './header'

const kEverySecondMs = 1_000
const kHistoryMax = 30

const kRoles: Record<string, string> = {
  NODE_ROLE_LEADER: 'leader', NODE_ROLE_FOLLOWER: 'follower', NODE_ROLE_LEARNER: 'learner',
  NODE_ROLE_CANDIDATE: 'candidate',
}
const roleOf = (status: NodeStatus): string =>
  status.isReachable ? kRoles[status.role ?? ''] ?? 'unknown' : 'unreachable'

interface Seen { timeMs: number; commit: number; leader: string; term: number; down: string }
interface Happening { timeMs: number; text: string }

function summarize(status: ClusterStatus): Seen {
  const nodes = status.nodes ?? []
  const most = (pick: (node: NodeStatus) => string | undefined) =>
    nodes.reduce((highest, each) => Math.max(highest, Number(pick(each) ?? 0)), 0)
  return {
    timeMs: Date.now(), commit: most((each) => each.commitIndex), term: most((each) => each.term),
    leader: status.leaderId ?? '0',
    down: nodes.filter((each) => !each.isReachable).map((each) => `n${each.nodeId}`).join(', '),
  }
}

function whatHappened(last: Seen, now: Seen): string[] {
  const news: string[] = []
  if (now.leader !== last.leader || now.term !== last.term) {
    news.push(now.leader === '0' ? `no leader in term ${now.term}`
      : `n${now.leader} leads in term ${now.term}`)
  }
  if (now.down !== last.down) {
    news.push(now.down ? `not reachable: ${now.down}` : 'all are reachable')
  }
  return news
}

function verdict(nodes: NodeStatus[]): string {
  const voters = nodes.filter((each) => each.role !== 'NODE_ROLE_LEARNER')
  const up = voters.filter((each) => each.isReachable).length
  const spare = up - (Math.floor(voters.length / 2) + 1)
  if (spare < 0) return `${up} of ${voters.length} voters: no majority, nothing can be saved`
  return `${up} of ${voters.length} voters here; ${spare} more may fail`
}

function Card({ status, isAnswering }: { status: NodeStatus; isAnswering: boolean }) {
  const last = Number(status.lastIndex ?? 0)
  // Of who does not answer nothing is known but how far it is behind at least.
  const number = (value: string | undefined, scale = 1) =>
    (status.isReachable ? Math.round(Number(value ?? 0) / scale).toLocaleString() : '–')
  const rows: [string, string][] = [
    ['term', number(status.term)],
    ['committed', number(status.commitIndex)],
    ['applied', number(status.appliedIndex)],
    ['behind the leader', `${Number(status.lagEntries ?? 0).toLocaleString()} entries`],
    ['log', `${number(status.logBytes, 1_024)} KiB`],
    ['sessions', number(status.sessions)],
    ['up for', `${number(status.uptimeMs, 1_000)} s`],
  ]
  const role = roleOf(status)
  return (
    <li class={`card role-${role}`}>
      <h2>n{status.nodeId} <span class="tag">{role}</span>
        {isAnswering && <span class="hint"> yours</span>}</h2>
      <p class="hint">{status.clientAddress}</p>
      <dl>{rows.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <progress aria-label={`Applied on n${status.nodeId}`} max={Math.max(last, 1)}
        value={Number(status.appliedIndex ?? 0)} />
      {(status.alarms ?? []).map((alarm) => <p key={alarm} class="error">{alarm}</p>)}
    </li>
  )
}

export function Cluster() {
  const seen = useRef<Seen[]>([])
  const happened = useRef<Happening[]>([])
  const { value, error } = usePoll(async () => {
    const status = await call<ClusterStatus>('ClusterService/GetStatus')
    const now = summarize(status)
    const last = seen.current.at(-1)
    for (const text of last ? whatHappened(last, now) : []) {
      happened.current.unshift({ timeMs: now.timeMs, text })
    }
    seen.current = [...seen.current, now].slice(-kHistoryMax)
    happened.current = happened.current.slice(0, kHistoryMax)
    return status
  }, kEverySecondMs)
  const nodes = value?.nodes ?? []
  const first = seen.current.at(0)
  const last = seen.current.at(-1)
  const rate = first && last && last.timeMs > first.timeMs
    ? (1_000 * (last.commit - first.commit)) / (last.timeMs - first.timeMs) : 0
  return (
    <>
      <Header />
      <main id="main" class="page wide">
        <h1>Cluster</h1>
        {value && <p role="status"><strong>{verdict(nodes)}</strong>
          <span class="hint"> · {rate.toFixed(1)} log entries a second · seen by {node()}</span></p>}
        <p class="error" role="alert">{error ? messageOf(error) : ''}</p>
        <ul class="cards" aria-label="Nodes">
          {nodes.map((each) => <Card key={each.nodeId} status={each}
            isAnswering={each.nodeId === value?.answeringNodeId} />)}
        </ul>
        <h2>Since this page was opened</h2>
        <ol class="events">
          {happened.current.map((event) => <li key={event.timeMs + event.text}>
            <time>{clock(event.timeMs)}</time> {event.text}</li>)}
          {happened.current.length === 0 && <li class="hint">No election, nobody lost.</li>}
        </ol>
      </main>
    </>
  )
}
