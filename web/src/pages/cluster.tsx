import { useEffect, useRef, useState } from 'preact/hooks'

import { announce } from '../announce'
import { call, type ClusterStatus, type NodeStatus } from '../api'
import { order, type Running, running } from '../control'
import { type Happening, type Seen, summarize, whatHappened } from '../happenings'
import { extend, look, type Look, milliseconds, type Pace, paceOf, type Point } from '../looks'
import { control, node } from '../nodes'
import { messageOf, usePoll } from '../poll'
import { clock } from './pieces'
import { Header } from './header'

const kStatusEveryMs = 500
const kLookEveryMs = 1_000
const kHistoryMax = 30

const kRoles: Record<string, string> = {
  NODE_ROLE_LEADER: 'leader', NODE_ROLE_FOLLOWER: 'follower', NODE_ROLE_LEARNER: 'learner',
  NODE_ROLE_CANDIDATE: 'candidate',
}
const roleOf = (status: NodeStatus): string =>
  status.isReachable ? kRoles[status.role ?? ''] ?? 'unknown' : 'unreachable'

function verdict(nodes: NodeStatus[]): string {
  const voters = nodes.filter((each) => each.role !== 'NODE_ROLE_LEARNER')
  const up = voters.filter((each) => each.isReachable).length
  const spare = up - (Math.floor(voters.length / 2) + 1)
  if (spare < 0) return `${up} of ${voters.length} voters: no majority, nothing can be saved`
  return `${up} of ${voters.length} voters here; ${spare} more may fail`
}

// --- Asking ---

function useStatus() {
  const seen = useRef<Seen[]>([])
  const happened = useRef<Happening[]>([])
  const poll = usePoll(async () => {
    const status = await call<ClusterStatus>('ClusterService/GetStatus')
    const now = summarize(status, Date.now())
    for (const text of whatHappened(seen.current, now)) {
      happened.current.unshift({ timeMs: now.timeMs, text })
      announce(text)
    }
    seen.current = [...seen.current, now].slice(-kHistoryMax)
    happened.current = happened.current.slice(0, kHistoryMax)
    return status
  }, kStatusEveryMs)
  return { ...poll, happened: happened.current, seen: seen.current }
}

interface Trail { before: Look | null; now: Look; points: Point[] }

function useTrail(): Trail | null {
  const last = useRef<Trail | null>(null)
  return usePoll(async () => {
    const now = await look()
    const before = last.current?.now ?? null
    const points = last.current?.points ?? []
    last.current = { before, now, points: before ? extend(points, before, now) : points }
    return last.current
  }, kLookEveryMs).value
}

// Which nodes the launcher of a development cluster runs; null when there is none, or it is gone.
function useRunning(): [Running | null, (which: string, verb: 'kill' | 'start') => void, string] {
  const url = control()
  const [known, setKnown] = useState<Running | null>(null)
  const [message, setMessage] = useState('')
  useEffect(() => {
    if (!url) return
    let isOver = false
    const read = () => void running(url).then(
      (result) => { if (!isOver) setKnown(result) },
      () => { if (!isOver) setKnown(null) })
    read()
    const timer = setInterval(read, kLookEveryMs)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [url])
  const give = (which: string, verb: 'kill' | 'start') => {
    if (!url) return
    order(url, which, verb).then((result) => {
      setKnown(result)
      setMessage('')
    }, (error: unknown) => setMessage(messageOf(error)))
  }
  return [known, give, message]
}

// --- Showing ---

interface CardProps {
  status: NodeStatus
  isAnswering: boolean
  pace: Pace | null
  isRunning: boolean | null // Null: it is in nobody's hands here.
  onOrder: (verb: 'kill' | 'start') => void
}

function Card({ status, isAnswering, pace, isRunning, onOrder }: CardProps) {
  const last = Number(status.lastIndex ?? 0)
  // Of who does not answer nothing is known but how far it is behind at least.
  const number = (value: string | undefined, scale = 1, unit = '') =>
    (status.isReachable ? `${Math.round(Number(value ?? 0) / scale).toLocaleString()}${unit}` : '–')
  const perSecond = (value: number | undefined) =>
    (value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)}/s`)
  const rows: [string, string][] = [
    ['term', number(status.term)],
    ['committed', number(status.commitIndex)],
    ['applied', number(status.appliedIndex)],
    ['behind the leader', `${Number(status.lagEntries ?? 0).toLocaleString()} entries`],
    ['log', number(status.logBytes, 1_024, ' KiB')],
    ['sessions', number(status.sessions)],
    ['up for', number(status.uptimeMs, 1_000, ' s')],
    ['edits, deliveries', `${perSecond(pace?.updates)}, ${perSecond(pace?.deliveries)}`],
    ['edit to commit', `${milliseconds(pace?.commitMedian ?? null)}, p99 ${
      milliseconds(pace?.commitWorst ?? null)}`],
    ['log to disk', milliseconds(pace?.appendMedian ?? null)],
    ['API calls', `${perSecond(pace?.calls)}, p99 ${milliseconds(pace?.callWorst ?? null)}`],
  ]
  const role = roleOf(status)
  const name = `n${status.nodeId}`
  return (
    <li class={`card role-${role}`}>
      <div class="card-head"><h2>{name} <span class="tag">{role}</span>
        {isAnswering && <span class="hint"> yours</span>}</h2>
        {isRunning === true && <button type="button" class="danger" title="kill -9"
          aria-label={`Stop ${name}`} onClick={() => onOrder('kill')}>Stop</button>}
        {isRunning === false && <button type="button" class="main" aria-label={`Start ${name}`}
          onClick={() => onOrder('start')}>Start</button>}</div>
      <p class="hint">{status.clientAddress}</p>
      <dl>{rows.map(([what, value]) => <div key={what}><dt>{what}</dt><dd>{value}</dd></div>)}</dl>
      <progress aria-label={`Applied on ${name}`} max={Math.max(last, 1)}
        value={Number(status.appliedIndex ?? 0)} />
      {(status.alarms ?? []).map((alarm) => <p key={alarm} class="error">{alarm}</p>)}
    </li>
  )
}

const kWide = 240
const kHigh = 36

function Spark({ values, label, now }: { values: (number | null)[]; label: string; now: string }) {
  const highest = Math.max(...values.map((value) => value ?? 0), 1e-9)
  const points = values.map((value, i) => `${(kWide * i / Math.max(values.length - 1, 1)).toFixed(1)
  },${(kHigh - 2 - (kHigh - 4) * (value ?? 0) / highest).toFixed(1)}`).join(' ')
  return (
    <figure class="spark">
      <figcaption>{label}: <strong>{now}</strong></figcaption>
      <svg viewBox={`0 0 ${kWide} ${kHigh}`} aria-hidden="true" preserveAspectRatio="none">
        <polyline points={points} /></svg>
    </figure>
  )
}

export function Cluster() {
  const { value, error, happened, seen } = useStatus()
  const trail = useTrail()
  const [known, give, refusal] = useRunning()
  const nodes = value?.nodes ?? []
  const first = seen.at(0)
  const last = seen.at(-1)
  const entries = first && last && last.timeMs > first.timeMs
    ? (1_000 * (last.commit - first.commit)) / (last.timeMs - first.timeMs) : 0
  const newest = trail?.points.at(-1)
  return (
    <>
      <Header />
      <main id="main" class="page wide" tabIndex={0}>{/* It scrolls. */}
        <h1>Cluster</h1>
        {value && <p><strong role="status">{verdict(nodes)}</strong>
          <span class="hint"> · {entries.toFixed(1)} log entries a second · seen by {node()}</span>
        </p>}
        <p class="error" role="alert">{refusal || (error ? messageOf(error) : '')}</p>
        {trail && newest && <div class="sparks">
          <Spark label="Edits a second" now={newest.updates.toFixed(1)}
            values={trail.points.map((point) => point.updates)} />
          <Spark label="Edit to commit, p99" now={milliseconds(newest.commitWorst)}
            values={trail.points.map((point) => point.commitWorst)} />
        </div>}
        <ul class="cards" aria-label="Nodes">
          {nodes.map((each) => <Card key={each.nodeId} status={each}
            isAnswering={each.nodeId === value?.answeringNodeId}
            pace={trail?.before ? paceOf(trail.before, trail.now, each.nodeId) : null}
            isRunning={known?.get(each.nodeId) ?? null}
            onOrder={(verb) => give(each.nodeId, verb)} />)}
        </ul>
        {known && <p class="hint">This is a development cluster: stop the leader and keep
          typing.</p>}
        <h2>Since this page was opened</h2>
        <ol class="events">
          {happened.map((event) => <li key={`${event.timeMs} ${event.text}`}>
            <time>{clock(event.timeMs)}</time> {event.text}</li>)}
          {happened.length === 0 && <li class="hint">No election, nobody lost.</li>}
        </ol>
      </main>
    </>
  )
}
