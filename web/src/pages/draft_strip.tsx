// Offers drafts to be looked at, merged or thrown away; nothing happens to one by itself.
import { useEffect, useState } from 'preact/hooks'

import { announce } from '../browser/announce'
import { session } from '../cluster/api'
import { changesOf, discard, type Draft, type DraftChange, listDrafts, merge } from '../document/drafts'
import { messageOf } from '../cluster/poll'
import { clock } from './pieces'

// Those of the document that one may see; loaded anew whenever `revision` is another.
export function useDrafts(id: string | undefined, revision: string): Draft[] {
  const [drafts, setDrafts] = useState<Draft[]>([])
  useEffect(() => {
    if (id === undefined || revision === '') return
    let isOver = false
    // What could not be loaded is told by the next change of it, or of the connection.
    listDrafts(id, session()).then((found) => { if (!isOver) setDrafts(found) }, () => undefined)
    return () => { isOver = true }
  }, [id, revision])
  return drafts
}

function Changes({ draft }: { draft: Draft }) {
  const [changes, setChanges] = useState<DraftChange[] | null>(null)
  const [message, setMessage] = useState('')
  useEffect(() => {
    let isOver = false
    changesOf(draft).then((found) => { if (!isOver) setChanges(found) },
      (caught: unknown) => { if (!isOver) setMessage(messageOf(caught)) })
    return () => { isOver = true }
  }, [draft.documentId, draft.user, draft.savedAtMs])
  if (message) return <p role="alert">{message}</p>
  if (!changes) return null
  if (changes.length === 0) return <p>It changes nothing that can be shown as text.</p>
  return (
    <pre tabIndex={0} aria-label="What merging the draft would change">
      {changes.map(({ deleted, inserted }, index) => (
        <span key={index}>
          {deleted && <span class="line-removed">− {deleted}{'\n'}</span>}
          {inserted && <span class="line-added">+ {inserted}{'\n'}</span>}
        </span>))}
    </pre>
  )
}

function Offer({ draft, canWrite }: { draft: Draft; canWrite: boolean }) {
  const [isShown, setShown] = useState(false)
  const [message, setMessage] = useState('')
  const isOwn = draft.user === session()?.user
  const settle = async (how: (draft: Draft) => Promise<unknown>, done: string) => {
    try {
      await how(draft)
      announce(done)
    } catch (caught) {
      setMessage(messageOf(caught))
    }
  }
  const onDiscard = () => {
    if (confirm('Throw this draft away, for good?')) void settle(discard, 'The draft is gone')
  }
  return (
    <section class="strip draft" aria-label={isOwn ? 'Your draft' : `The draft of ${draft.user}`}>
      <p>
        {isOwn ? 'You have a draft' : `${draft.user} has a draft`} from{' '}
        {clock(Number(draft.savedAtMs))}{!canWrite && ', kept until the document can be written'}.{' '}
        <button type="button" aria-pressed={isShown} onClick={() => setShown(!isShown)}>Show</button>
        <button type="button" disabled={!canWrite}
          onClick={() => void settle(merge, 'The draft is merged')}>Merge</button>
        <button type="button" onClick={onDiscard}>Discard</button>
      </p>
      {message && <p class="error" role="alert">{message}</p>}
      {isShown && <Changes draft={draft} />}
    </section>
  )
}

export function DraftStrip({ drafts, canWrite }: { drafts: Draft[]; canWrite: boolean }) {
  return <>{drafts.map((draft) => <Offer key={draft.user} draft={draft} canWrite={canWrite} />)}</>
}
