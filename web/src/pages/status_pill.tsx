// The honest word about what was typed. "Saved" is said when a majority of nodes has it on disk.
import type { LinkState, LockNotice } from '../link'
import { clock } from './pieces'

export interface Access {
  lock: LockNotice | null
  hasLocalCopy: boolean
  hasDraft?: boolean // One's own, on the cluster.
}

const edits = (count: number): string => (count === 1 ? '1 edit' : `${count} edits`)

export function statusText(state: LinkState, { lock, hasLocalCopy, hasDraft = false }: Access): string {
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
export function tookText(state: LinkState, tookMs: number | null): string {
  if (state.kind !== 'saved' || tookMs === null) return ''
  return `: the last edit after ${Math.max(1, Math.round(tookMs)).toLocaleString()} ms`
}

export function StatusPill({ state, access, origin }:
    { state: LinkState; access: Access; origin: string }) {
  const left = remaining(state, access.lock, Date.now())
  return (
    <output class={`pill pill-${state.kind}`} role="status" aria-live="polite" tabIndex={0}
      title={`Node ${origin}`}>
      <span class="dot" aria-hidden="true" />{statusText(state, access)}
      {/* Not read aloud, every second. */}
      {left && <span class="countdown" aria-hidden="true">{left}</span>}
    </output>
  )
}
