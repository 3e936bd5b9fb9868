import type { RefObject } from 'preact'

import type { Editor } from '../editor/editor'
import type { Opened } from '../document/opened'
import { Assistant } from './assistant'
import type { Suggesting } from './suggesting'
import { SuggestionList } from './suggestion_list'

export interface AssistPanelProps {
  opened: Opened
  editor: RefObject<Editor>
  suggesting: Suggesting
  canWrite: boolean
  isReading: boolean // There are no suggestions for it.
  onClose: () => void
}

export function AssistPanel({ opened, editor, suggesting, canWrite, isReading, onClose }:
    AssistPanelProps) {
  return (
    <section class="side" aria-label="AI">
      <div class="side-head"><h2>AI</h2>
        <button type="button" class="quiet" onClick={onClose}>Close</button></div>
      <Assistant id={opened.id} editor={editor} canWrite={canWrite && !isReading}
        isReading={isReading} />
      {!isReading && <SuggestionList placed={opened.suggestions.placed()} canDecide={canWrite}
        onDecide={suggesting.decide} onDecideAll={suggesting.decideAll}
        onShow={({ place }) => place && editor.current?.select(place.begin, place.begin)} />}
    </section>
  )
}
