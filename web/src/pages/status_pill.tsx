// The honest word about what was typed. "Saved" is said when a majority of nodes has it on disk; on
// how many it is, is said of those that have said so.
import { useEffect, useMemo, useReducer, useState } from 'preact/hooks'

import { askDurability, type Durability, DurabilityKeeper } from '../document/durability'
import type { Link, LinkState, LockNotice } from '../document/link'
import { clock } from './pieces'

const kSettledMs = 1_500

export interface Access {
  lock: LockNotice | null
  hasLocalCopy: boolean
  hasDraft?: boolean // One's own, on the cluster.
  isReading?: boolean // What is shown is a reading of what is edited elsewhere.
}

// Nothing can be written where there is only a reading, whatever one may do with the document.
export const shownState = (state: LinkState, isReading: boolean): LinkState =>
  (isReading && (state.kind === 'saved' || state.kind === 'saving')
    ? { kind: 'readonly', unsaved: state.kind === 'saving' ? state.unsaved : 0 } : state)

const edits = (count: number): string => (count === 1 ? '1 edit' : `${count} edits`)

export function statusText(state: LinkState, { lock, hasLocalCopy, hasDraft = false,
  isReading = false }: Access): string {
  const waiting = (count: number) => (count > 0 ? edits(count) : 'edits are')
  const kept = hasLocalCopy ? 'kept here' : 'kept in this tab only'
  switch (state.kind) {
    case 'connecting':
      return 'Connecting…'
    case 'saved':
      return 'Saved on a majority'
    case 'saving':
      return 'Saving…'
    case 'waiting':
      return `No majority answers – ${waiting(state.unsaved)} ${kept}`
    case 'offline':
      return `Offline – ${waiting(state.unsaved)} ${kept}`
    case 'readonly': {
      const rest = state.unsaved > 0 ? ` – ${edits(state.unsaved)} ${kept}` : ''
      const draft = 'your changes are kept as a draft'
      if (!lock && isReading && !hasDraft) return `Read-only: edited elsewhere${rest}`
      if (!lock) return `Read-only${hasDraft ? `: ${draft}` : rest}`
      const until = lock.until > 0 ? ` until ${clock(lock.until)}` : ''
      const locked = `locked by ${lock.holder}${until}`
      return hasDraft ? `Read-only: ${draft}: ${locked}` : `Read-only: ${locked}${rest}`
    }
    case 'refused':
      return `Not accepted by the cluster – ${edits(state.unsaved)} ${kept}`
    case 'denied':
      return `Closed: ${state.reason}`
  }
}

// How long the lock lasts, if its holder does not renew it, by this device's clock.
export function remaining(state: LinkState, lock: LockNotice | null, nowMs: number): string {
  if (state.kind !== 'readonly' || !lock || lock.until <= nowMs) return ''
  const seconds = Math.ceil((lock.until - nowMs) / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

// How long the last edit took to be there, if all of them are.
function tookText(state: LinkState, tookMs: number | null): string {
  if (state.kind !== 'saved' || tookMs === null) return ''
  return `: the last edit after ${Math.max(1, Math.round(tookMs)).toLocaleString()} ms`
}

const names = (ids: readonly string[]): string => ids.map((id) => `n${id}`).join(', ')

// What a short look at the status says. The number is of voting nodes that have said themselves that
// the document, as of its newest version, is on their disks.
export function pillText(state: LinkState, access: Access, durability: Durability | null): string {
  if (state.kind !== 'saved' || !durability || durability.voters.length === 0) {
    return statusText(state, access)
  }
  const { holders: { length: has }, voters: { length: all } } = durability
  return `Saved · ${has}/${all} ${all === 1 ? 'node' : 'nodes'}`
}

// What is said to who asks whether it is saved.
export function savedText(state: LinkState, access: Access, durability: Durability | null,
    tookMs: number | null): string {
  const index = state.kind === 'saved' && durability
    ? `, up to index ${durability.revision.toLocaleString()} of the log` : ''
  return pillText(state, access, durability) + index + tookText(state, tookMs)
}

// And what a longer one does, a line each.
export function pillDetails(state: LinkState, durability: Durability | null, tookMs: number | null,
    origin: string): string[] {
  const lines: string[] = []
  if (state.kind === 'saved' && durability) {
    const { revision, term, voters, holders } = durability
    const missing = voters.filter((id) => !holders.includes(id))
    lines.push(`Saved up to index ${revision.toLocaleString()} of the log${
      term > 0 ? `, term ${term.toLocaleString()}` : ''}.`)
    if (holders.length > 0) lines.push(`On the disks of ${names(holders)}.`)
    if (missing.length > 0) lines.push(`Not heard yet that it is on ${names(missing)}.`)
  } else if (state.kind === 'saved') {
    lines.push('On the disks of a majority of the nodes.')
  }
  if (tookMs !== null) {
    lines.push(`The last edit was on a majority after ${
      Math.max(1, Math.round(tookMs)).toLocaleString()} ms.`)
  }
  return [...lines, `This page is with ${origin}.`]
}

// Known of what is saved now, and null until it is.
export function useDurability(link: Link | undefined, id: string | undefined): Durability | null {
  const [, redraw] = useReducer((count: number) => count + 1, 0)
  const keeper = useMemo(() => (link && id ? new DurabilityKeeper({
    ask: () => askDurability(link.origin, id), isHidden: () => document.hidden,
    onChange: () => redraw(null as never),
  }) : null), [link, id])
  useEffect(() => () => keeper?.close(), [keeper])
  if (keeper && link) keeper.observe(link.state.kind === 'saved', link.saves)
  return keeper?.known ?? null
}

// What is read aloud: what the status has become when it has stayed so for a while, and not that
// every letter is being saved, and was.
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), kSettledMs)
    return () => clearTimeout(timer)
  }, [text])
  return settled
}

interface PillProps {
  state: LinkState
  access: Access
  durability: Durability | null
  tookMs: number | null
  origin: string
}

export function StatusPill({ state, access, durability, tookMs, origin }: PillProps) {
  const [isShown, setShown] = useState(false)
  const left = remaining(state, access.lock, Date.now())
  const said = useSettled(statusText(state, access))
  const show = () => setShown(true)
  const hide = () => setShown(false)
  return (
    <div class="pill-place" onMouseEnter={show} onMouseLeave={hide}>
      <button type="button" class={`pill pill-${state.kind}`} aria-describedby="pill-details"
        onFocus={show} onBlur={hide} onClick={show}
        onKeyDown={({ key }) => { if (key === 'Escape') hide() }}>
        <span class="dot" aria-hidden="true" />{pillText(state, access, durability)}
        {/* Not read aloud, every second. */}
        {left && <span class="countdown" aria-hidden="true">{left}</span>}
      </button>
      <div id="pill-details" role="tooltip" class={`pill-details${isShown ? '' : ' is-hidden'}`}>
        {pillDetails(state, durability, tookMs, origin).map((line) => <p key={line}>{line}</p>)}
      </div>
      <span class="unseen" role="status">{said}</span>
    </div>
  )
}
