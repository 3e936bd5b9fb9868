// A node of the cluster: what it is, how far its log is, what it does.
import { type NodeView, type Tape, tapeOf } from '../cluster/story'
import { clock } from './pieces'

export const milliseconds = (ms: number | null | undefined): string => {
  if (ms === null || ms === undefined) return '–'
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
const perSecond = (value: number | undefined): string =>
  (value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)}/s`)
const whole = (value: number): string => Math.round(value).toLocaleString()

function ageText({ ageMs, isReachable }: NodeView, nowMs: number): string {
  if (ageMs === null) return 'It has said nothing to this node.'
  const seconds = Math.round(ageMs / 1_000)
  if (seconds < 3) return ''
  return `${isReachable ? 'Not heard here' : 'Last heard'} ${seconds} s ago, at ${
    clock(nowMs - ageMs)}: this is as of then.`
}

// The log as a tape that runs out to the right: applied, committed and not applied, appended and not
// committed. Everybody's tape is of the same stretch, so that who is behind ends further left.
function LogTape({ view, tape }: { view: NodeView; tape: Tape }) {
  const { name, appended, committed, applied, lag } = view
  const label = `Log of ${name}: ${whole(appended)} appended, ${whole(committed)} committed, ${
    whole(applied)} applied${lag > 0 ? `, ${whole(lag)} behind` : ''}`
  const upTo = (share: number) => ({ transform: `translateX(${(100 * (share - 1)).toFixed(2)}%)` })
  return (
    <div class="tape" role="img" aria-label={label}>
      <div class="tape-part tape-appended" style={upTo(tape.appended)} />
      <div class="tape-part tape-committed" style={upTo(tape.committed)} />
      <div class="tape-part tape-applied" style={upTo(tape.applied)} />
    </div>
  )
}

export interface CardProps {
  view: NodeView
  stretch: { begin: number; end: number }
  isAnswering: boolean
  nowMs: number
  isRunning: boolean | null // Null: it is in nobody's hands here.
  onOrder: (verb: 'kill' | 'start') => void
}

export function Card({ view, stretch, isAnswering, nowMs, isRunning, onOrder }: CardProps) {
  const { name, role, pace, said: { status } } = view
  const isKnown = view.ageMs !== null
  const number = (value: string | undefined, scale = 1, unit = '') =>
    (isKnown ? `${whole(Number(value ?? 0) / scale)}${unit}` : '–')
  const rows: [string, string][] = [
    ['term', number(status.term)],
    ['appended', isKnown ? whole(view.appended) : '–'],
    ['committed', number(status.commitIndex)],
    ['applied', number(status.appliedIndex)],
    ['behind', isKnown ? `${whole(view.lag)} ${view.lag === 1 ? 'entry' : 'entries'}` : '–'],
    ['log', number(status.logBytes, 1_024, ' KiB')],
    ['sessions', number(status.sessions)],
    ['up for', number(status.uptimeMs, 1_000, ' s')],
    ['edits, deliveries', `${perSecond(pace?.updatesPerSecond ?? (pace ? 0 : undefined))}, ${
      perSecond(pace?.deliveriesPerSecond ?? (pace ? 0 : undefined))}`],
    ['edit to commit', `${milliseconds(pace?.commitMedianMs)}, p99 ${
      milliseconds(pace?.commitP99Ms)}`],
    ['log to disk', milliseconds(pace?.appendMedianMs)],
    ['API calls', `${perSecond(pace?.callsPerSecond ?? (pace ? 0 : undefined))}, p99 ${
      milliseconds(pace?.callP99Ms)}`],
  ]
  const age = ageText(view, nowMs)
  return (
    <li class={`card role-${role}${age && isKnown ? ' is-old' : ''}`}>
      <div class="card-head"><h2>{name} <span class="tag">{role}</span>
        {isAnswering && <span class="hint"> yours</span>}</h2>
        {isRunning === true && <button type="button" class="danger" title="kill -9"
          aria-label={`Stop ${name}`} onClick={() => onOrder('kill')}>Stop</button>}
        {isRunning === false && <button type="button" class="main" aria-label={`Start ${name}`}
          onClick={() => onOrder('start')}>Start</button>}</div>
      <p class="hint">{status.clientAddress}</p>
      {isKnown && <LogTape view={view} tape={tapeOf(view, stretch)} />}
      {age && <p class="age">{age}</p>}
      <dl>{rows.map(([what, value]) => <div key={what}><dt>{what}</dt><dd>{value}</dd></div>)}</dl>
      {(status.alarms ?? []).map((alarm) => <p key={alarm} class="error">{alarm}</p>)}
    </li>
  )
}
