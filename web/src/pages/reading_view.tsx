// A document that is not edited here, as the cluster reads it to people.
import { useMemo } from 'preact/hooks'

import type { Reading } from '../document/reading'
import { Markdown } from '../text/markdown'

export function ReadingView({ reading }: { reading: Reading | null }) {
  const shown = useMemo(() => {
    if (!reading) return null
    if (reading.text.trim() === '') return <p class="hint prose">Nothing is written here yet.</p>
    return reading.isProjection ? <Markdown source={reading.text} />
      : <div class="prose as-written">{reading.text}</div>
  }, [reading?.text, reading?.isProjection])
  if (!shown) return <div class="surface skeleton" aria-busy="true" />
  return (
    <section class="surface reading" aria-label="Text of the document" tabIndex={0}>{shown}</section>
  )
}

export interface ReadingStripProps {
  reading: Reading | null
  isOpen: boolean
  typedHere: string // In the root that the page edits, and that nobody is shown.
  onExportTyped: () => void
}

export function ReadingStrip({ reading, isOpen, typedHere, onExportTyped }: ReadingStripProps) {
  const where = reading?.isProjection === false ? 'another editor' : 'a rich editor'
  return (
    <p class="strip hint" role="status">
      {reading || isOpen
        ? `Written in ${where}: it can be read here, and edited where it was written.`
        : `Written in ${where}: it can be read here when a node answers.`}
      {typedHere !== '' && <>{' '}What was typed on this page is no part of it.{' '}
        <button type="button" onClick={onExportTyped}>Export that</button></>}
    </p>
  )
}
