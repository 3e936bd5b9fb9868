// Taking decisions on suggestions, from the text and from the list.
import type { RefObject } from 'preact'
import { useMemo, useRef } from 'preact/hooks'

import { announce } from '../browser/announce'
import type { Editor } from '../editor/editor'
import type { Opened } from '../document/opened'
import { messageOf } from '../cluster/poll'
import type { SuggestionSource } from '../editor/suggestion_marks'
import type { Decision, Placed, Suggestion, SuggestionId } from '../document/suggestions'

// Accepts, and makes that one of the steps that undo takes back.
async function accept(opened: Opened, editor: Editor | null, id: SuggestionId, of: Placed[]):
    Promise<void> {
  for (const { place } of of) if (place) editor?.keep(place.begin, place.end)
  const revision = await opened.suggestions.decide(id, 'accept')
  const update = await opened.suggestions.editAt(revision).catch(() => null)
  if (!update) return
  opened.link.merge(update)
  editor?.remember(update)
}

async function decideAll(opened: Opened, editor: Editor | null, decision: Decision): Promise<void> {
  const placed = opened.suggestions.placed()
  for (const batch of new Set(placed.map(({ suggestion }) => suggestion.id.batch))) {
    const all = placed.filter(({ suggestion }) => suggestion.id.batch === batch)
    if (decision === 'reject') {
      await opened.suggestions.decide({ batch, ordinal: 0 }, 'reject')
      continue
    }
    // What does not fit any more would make an error of the others' success.
    for (const { suggestion, place } of all) {
      if (!place) await opened.suggestions.decide(suggestion.id, 'reject')
    }
    if (all.some(({ place }) => place)) await accept(opened, editor, { batch, ordinal: 0 }, all)
  }
}

export interface Suggesting {
  source: SuggestionSource
  decide: (suggestion: Suggestion, decision: Decision) => void
  decideAll: (decision: Decision) => void
}

export function useSuggesting(opened: Opened | null, editor: RefObject<Editor>,
    onMessage: (message: string) => void): Suggesting {
  const tell = useRef(onMessage)
  tell.current = onMessage
  return useMemo(() => {
    const run = (work: () => Promise<void>, done: string) => {
      work().then(() => {
        tell.current('')
        announce(done)
      }, (error: unknown) => tell.current(messageOf(error)))
    }
    const decide = (suggestion: Suggestion, decision: Decision) => run(async () => {
      if (!opened) return
      if (decision === 'reject') await opened.suggestions.decide(suggestion.id, 'reject')
      else {
        const placed = opened.suggestions.placed().filter((each) => each.suggestion === suggestion)
        await accept(opened, editor.current, suggestion.id, placed)
      }
    }, decision === 'accept' ? 'Accepted' : 'Rejected')
    return {
      decide,
      decideAll: (decision) => run(async () => {
        if (opened) await decideAll(opened, editor.current, decision)
      }, decision === 'accept' ? 'All accepted' : 'All rejected'),
      source: {
        placed: () => opened?.suggestions.placed() ?? [],
        subscribe: (listener) => opened?.suggestions.subscribe(listener) ?? (() => undefined),
        decide,
      },
    }
  }, [opened])
}
