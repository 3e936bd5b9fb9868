import { useMemo, useRef, useState } from 'preact/hooks'

import { call, CallError, change, type Document, type Presence, session } from '../cluster/api'
import { type DocumentList, listDocuments } from '../cluster/document_list'
import { useCommands } from '../browser/commands'
import { deleteSoon, isBeingDeleted, kUndoMs, undoDeletion } from '../document/deletions'
import { keepList, keptList } from '../offline/kept_list'
import { messageOf, usePoll } from '../cluster/poll'
import { documentLink } from '../browser/route'
import { useSettled } from '../browser/settled'
import { toast } from '../browser/toasts'
import { Header } from './header'
import { ago, Avatars } from './pieces'
import { UnsentStrip } from './unsent_strip'

interface Listing extends DocumentList { present: Presence[] }

async function load(query: string, steps: number): Promise<Listing> {
  const list = await listDocuments(query, steps)
  const { present = [] } = await call<{ present?: Presence[] }>('PresenceService/ListPresent')
  if (query === '') keepList(session()?.user ?? '', list.documents)
  return { ...list, present }
}

const kPollMs = 2_500
const kPauseMs = 150 // In what is typed.

function Row({ document, present, onDone }:
    { document: Document; present: string[]; onDone: (error: string) => void }) {
  const [doing, setDoing] = useState<'' | 'rename' | 'delete'>('')
  const isOwner = document.role === 'ROLE_OWNER'
  const run = async (method: string, request: object) => {
    setDoing('')
    try {
      await change(`DocumentService/${method}`, { document: { id: document.id }, ...request })
      onDone('')
    } catch (error) {
      onDone(messageOf(error))
    }
  }
  const rename = (event: SubmitEvent) => {
    event.preventDefault()
    const name = new FormData(event.currentTarget as HTMLFormElement).get('name')
    void run('RenameDocument', { newName: String(name).trim() })
  }
  const remove = () => {
    setDoing('')
    const again = (message: string) => onDone(message)
    deleteSoon(document.id, () => again(''), (error: unknown) => again(messageOf(error)))
    toast(`“${document.name}” is being deleted`, { title: 'Undo', run: () => {
      undoDeletion(document.id)
      again('')
    } }, kUndoMs)
    again('')
  }
  return (
    <li class="row">
      {doing === 'rename'
        ? <form class="inline" onSubmit={rename}>
            <input name="name" aria-label={`New name of ${document.name}`} required
              defaultValue={document.name} autofocus
              onKeyDown={(event) => event.key === 'Escape' && setDoing('')} />
            <button type="submit">Rename</button>
            <button type="button" class="quiet" onClick={() => setDoing('')}>Cancel</button>
          </form>
        : <a class="name" href={documentLink(document.name)}>{document.name}</a>}
      <span class="meta">
        {document.role === 'ROLE_VIEWER' && <span class="tag">you may read</span>}
        {document.owner && document.owner !== session()?.user &&
          <span class="tag">{document.owner}’s</span>}
        {document.lock?.holder && <span class="tag">locked by {document.lock.holder}</span>}
        <span>{document.author ? `${document.author}, ` : ''}{ago(document.changedAtMs)}</span>
      </span>
      <Avatars names={present} />
      {isOwner && doing === '' && <span class="actions">
        <button type="button" class="quiet" aria-label={`Rename ${document.name}`}
          onClick={() => setDoing('rename')}>Rename</button>
        <button type="button" class="quiet" aria-label={`Delete ${document.name}`}
          onClick={() => setDoing('delete')}>Delete</button>
      </span>}
      {doing === 'delete' && <span class="actions" role="group" aria-label="Delete for everybody?">
        <span>For everybody?</span>
        <button type="button" class="danger" autofocus
          onClick={remove}>Delete</button>
        <button type="button" class="quiet" onClick={() => setDoing('')}>Keep</button>
      </span>}
    </li>
  )
}

export function Documents() {
  const [query, setQuery] = useState('')
  const [steps, setSteps] = useState(1)
  const asked = useSettled(query.trim(), kPauseMs)
  const { value, error, reload } = usePoll(() => load(asked, steps), kPollMs * steps,
    `${steps} ${asked}`)
  const [message, setMessage] = useState('')
  const newName = useRef<HTMLInputElement>(null)
  const search = useRef<HTMLInputElement>(null)
  useCommands('Documents', [
    { title: 'New document', keys: ['n'], run: () => newName.current?.focus() },
    { title: 'Search documents', keys: ['/'], run: () => search.current?.focus() },
  ])

  // While no node answers, what can be opened here.
  const isAway = error instanceof CallError && /^(offline|unavailable)$/.test(error.code)
  const kept = useMemo(() => keptList(session()?.user ?? ''), [isAway])
  const listed = value && !isAway ? value.documents : kept
  // Until a node has answered for it, those of what is here already.
  const isAnswered = value?.query === query.trim() && !isAway
  const shown = listed.filter(({ id, name }) => !isBeingDeleted(id) &&
    (isAnswered || name.toLowerCase().includes(query.trim().toLowerCase())))
  const create = async (event: SubmitEvent) => {
    event.preventDefault()
    const name = newName.current?.value.trim() ?? ''
    try {
      await change('DocumentService/CreateDocument', { name })
      location.hash = documentLink(name)
    } catch (caught) {
      setMessage(messageOf(caught))
    }
  }
  const presentIn = (id: string) => [...new Set((value?.present ?? [])
    .filter((presence) => presence.documentId === id).map((presence) => presence.user ?? ''))]
  return (
    <>
      <Header />
      <main id="main" class="page">
        <h1>Documents</h1>
        <div class="bar">
          <input ref={search} type="search" aria-label="Search documents" placeholder="Search  /"
            onInput={(event) => {
              setQuery(event.currentTarget.value)
              setSteps(1)
            }} />
          <form class="inline" onSubmit={(event) => void create(event)}>
            <input ref={newName} aria-label="Name of the new document" required maxLength={200}
              placeholder="New document  n" />
            <button type="submit" class="main">Create</button>
          </form>
        </div>
        <p class="error" role="alert">{message || (error ? messageOf(error) : '')}</p>
        {isAway && kept.length > 0 && <p class="hint">
          These are on this device, and can be written in meanwhile.</p>}
        <UnsentStrip />
        {!value && !error && kept.length === 0 && <div class="rows skeleton" aria-busy="true" />}
        <ul class="rows" aria-label="Documents">
          {shown.map((document) => <Row key={document.id} document={document}
            present={presentIn(document.id)}
            onDone={(failure) => { setMessage(failure); reload() }} />)}
        </ul>
        {isAnswered && value.hasMore && <p><button type="button"
          onClick={() => setSteps((last) => last + 1)}>
          {shown.length === 0 ? 'Look further' : 'Show more'}</button></p>}
        {isAnswered && shown.length === 0 && (value.query
          ? <p class="hint">{value.hasMore ? 'None of those that changed last has that in its name.'
              : 'Nothing has that in its name.'}</p>
          : <div class="empty"><p><strong>No documents yet.</strong></p>
              <p class="hint">Name one above. Whoever logs in here can write in it with you; who may
                is yours to say, under Share.</p></div>)}
      </main>
    </>
  )
}
