// What is wrong with the open document, in words, and what one can do: nothing that was written is
// lost by any of it.
import type { LinkState } from '../document/link'
import { call, type NodeStatus } from '../cluster/api'
import type { Opened } from '../document/opened'
import { usePoll } from '../cluster/poll'

const kLookEveryMs = 5_000

// The nodes that take no edits because their disks are almost full; only asked for when none are taken.
function useFullNodes(isAsked: boolean): string[] {
  const { value } = usePoll(async () => {
    if (!isAsked) return []
    const { nodes } = await call<{ nodes?: NodeStatus[] }>('ClusterService/GetStatus')
    return (nodes ?? []).filter(({ alarms }) => alarms?.includes('NOSPACE'))
      .map(({ nodeId }) => nodeId)
  }, kLookEveryMs, String(isAsked))
  return value ?? []
}

export interface TroubleStripProps {
  state: LinkState
  opened: Opened
  onExport: () => void
}

export function TroubleStrip({ state, opened, onExport }: TroubleStripProps) {
  const full = useFullNodes(state.kind === 'waiting' || state.kind === 'refused')
  const where = opened.hasLocalCopy ? 'What you see is kept here and can be exported.'
    : 'What you see is in this tab only: export what you need.'
  const take = <button type="button" onClick={onExport}>Export</button>
  if (state.kind === 'denied') {
    return (
      <p class="strip" role="alert">You cannot go on here: {state.reason}. {where}{' '}
        {take}
        <button type="button" onClick={() => location.reload()}>Try again</button>{' '}
        <a href="#/">Back to the documents</a></p>
    )
  }
  if (full.length > 0) {
    return (
      <p class="strip" role="alert">The disk of {full.length === 1 ? `node ${full[0] ?? ''}`
        : `the nodes ${full.join(', ')}`} is almost full, and no edit is saved until there is room.{' '}
        {where} {take}</p>
    )
  }
  if (state.kind === 'refused') {
    return (
      <p class="strip" role="alert">The cluster does not take your last edits; the document has as
        much in it as it may. {where} {take}</p>
    )
  }
  if (opened.isUnread && state.kind === 'offline') {
    return (
      <p class="strip" role="status">The text is not on this device. It comes when a node answers,
        and what you write joins it.</p>
    )
  }
  return null
}
