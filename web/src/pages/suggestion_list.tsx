// What is suggested for the document, whoever asked for it: accepted and rejected here one by one
// or all at once, as in the text itself.
import type { TargetedKeyboardEvent, TargetedMouseEvent } from 'preact'

import { describe } from '../editor/suggestion_marks'
import type { Decision, Placed, Suggestion } from '../document/suggestions'

export interface SuggestionListProps {
  placed: Placed[]
  canDecide: boolean
  onDecide: (suggestion: Suggestion, decision: Decision) => void
  onDecideAll: (decision: Decision) => void
  onShow: (placed: Placed) => void
}

// The same control in the row beside this one; at the list's end the one before it.
function beside(control: Element, step: 1 | -1, isRound = false): HTMLElement | null {
  const row = control.closest('li')
  const next = step === 1 ? row?.nextElementSibling : row?.previousElementSibling
  const other = next ?? (isRound ? row?.previousElementSibling : null)
  const name = control.getAttribute('data-control') ?? ''
  return other?.querySelector<HTMLElement>(`[data-control="${name}"]:not(:disabled)`) ??
    other?.querySelector<HTMLElement>('[data-control=reject]') ?? null
}

function Row({ placed, canDecide, onDecide, onShow }:
    { placed: Placed } & Pick<SuggestionListProps, 'canDecide' | 'onDecide' | 'onShow'>) {
  const { suggestion, place } = placed
  const what = describe(suggestion)
  // With the keyboard one goes on from one to the next.
  const decide = (control: Element, decision: Decision) => {
    beside(control, 1, true)?.focus()
    onDecide(suggestion, decision)
  }
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLLIElement>) => {
    const control = event.target as Element
    const { key } = event
    if (key === 'ArrowDown' || key === 'ArrowUp') {
      beside(control, key === 'ArrowDown' ? 1 : -1)?.focus()
    } else if (canDecide && (key === 'Backspace' || key === 'Delete')) decide(control, 'reject')
    else return
    event.preventDefault()
  }
  const onClick = (decision: Decision) => (event: TargetedMouseEvent<HTMLButtonElement>) => {
    if (event.detail === 0) decide(event.currentTarget, decision)
    else onDecide(suggestion, decision)
  }
  return (
    <li class="suggestion" onKeyDown={onKeyDown}>
      <button type="button" class="suggestion-text" data-control="show" disabled={!place}
        aria-label={`Show in the text: ${what}`} onClick={() => onShow(placed)}>
        <Difference suggestion={suggestion} /></button>
      <p class="hint">{suggestion.author}
        {suggestion.why && <> · {suggestion.why}</>}
        {!place && <> · <strong>no longer fits the text</strong></>}</p>
      {canDecide && <span class="actions">
        {place && <button type="button" aria-label={`Accept: ${what}`} data-control="accept"
          onClick={onClick('accept')}>Accept</button>}
        <button type="button" aria-label={`Reject: ${what}`} data-control="reject"
          title="Backspace" onClick={onClick('reject')}>{place ? 'Reject' : 'Remove'}</button>
      </span>}
    </li>
  )
}

const kAroundMax = 24 // Characters of the text beside a change.

function Difference({ suggestion }: { suggestion: Suggestion }) {
  const { before, changes } = suggestion
  const parts = []
  let at = 0
  for (const [index, { begin, end, inserted }] of changes.entries()) {
    const same = before.slice(at, begin)
    const isCut = same.length > 2 * kAroundMax
    parts.push(isCut ? `${at > 0 ? same.slice(0, kAroundMax) : ''}…${same.slice(-kAroundMax)}`
      : same)
    if (end > begin) parts.push(<del key={`d${index}`}>{before.slice(begin, end)}</del>)
    if (inserted) parts.push(<ins key={`i${index}`}>{inserted}</ins>)
    at = end
  }
  const rest = before.slice(at)
  parts.push(rest.length > kAroundMax ? `${rest.slice(0, kAroundMax)}…` : rest)
  return <span class="difference">{parts}</span>
}

export function SuggestionList(props: SuggestionListProps) {
  const { placed, canDecide, onDecideAll } = props
  const fitting = placed.filter(({ place }) => place !== null).length
  return (
    <section aria-label="Suggestions" class="suggestions">
      <div class="side-head">
        <h3>{placed.length === 0 ? 'No suggestions'
          : `${placed.length} ${placed.length === 1 ? 'suggestion' : 'suggestions'}`}</h3>
        {canDecide && placed.length > 0 && <span class="actions">
          <button type="button" disabled={fitting === 0}
            onClick={() => onDecideAll('accept')}>Accept all</button>
          <button type="button" onClick={() => onDecideAll('reject')}>Reject all</button>
        </span>}
      </div>
      <ol class="suggestion-rows">{placed.map((each) => (
        <Row key={each.suggestion.key} placed={each} canDecide={canDecide}
          onDecide={props.onDecide} onShow={props.onShow} />))}</ol>
    </section>
  )
}
