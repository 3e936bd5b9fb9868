import { useMemo, useRef, useState } from 'preact/hooks'

import { call, change, type Document, type Presence } from '../api'
import { messageOf, usePoll } from '../poll'
import { documentLink } from '../route'
import { ago, Avatars, useKey } from './pieces'
import { Header } from './header'

interface Listing { documents: Document[]; present: Presence[] }
const kPagesMax = 20

async function load(): Promise<Listing> {
  const documents: Document[] = []
  let pageToken = ''
  for (let page = 0; page < kPagesMax; ++page) {
    const answer = await call<{ documents?: Document[]; nextPageToken?: string }>(
      'DocumentService/ListDocuments', { pageToken })
    documents.push(...(answer.documents ?? []))
    pageToken = answer.nextPageToken ?? ''
    if (!pageToken) break
  }
  const { present } = await call<{ present?: Presence[] }>('PresenceService/ListPresent')
  documents.sort((a, b) => Number(b.changedAtMs ?? 0) - Number(a.changedAtMs ?? 0))
  return { documents, present: present ?? [] }
}

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
          onClick={() => void run('DeleteDocument', {})}>Delete</button>
        <button type="button" class="quiet" onClick={() => setDoing('')}>Keep</button>
      </span>}
    </li>
  )
}

export function Documents() {
  const { value, error, reload } = usePoll(load, 2_500)
  const [query, setQuery] = useState('')
  const [message, setMessage] = useState('')
  const newName = useRef<HTMLInputElement>(null)
  const search = useRef<HTMLInputElement>(null)
  useKey('n', () => newName.current?.focus())
  useKey('/', () => search.current?.focus())

  const shown = useMemo(() => (value?.documents ?? []).filter(
    (document) => document.name.toLowerCase().includes(query.toLowerCase())), [value, query])
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
            onInput={(event) => setQuery(event.currentTarget.value)} />
          <form class="inline" onSubmit={(event) => void create(event)}>
            <input ref={newName} aria-label="Name of the new document" required maxLength={200}
              placeholder="New document  n" />
            <button type="submit" class="main">Create</button>
          </form>
        </div>
        <p class="error" role="alert">{message || (error ? messageOf(error) : '')}</p>
        <ul class="rows" aria-label="Documents">
          {shown.map((document) => <Row key={document.id} document={document}
            present={presentIn(document.id)}
            onDone={(failure) => { setMessage(failure); reload() }} />)}
        </ul>
        {value && shown.length === 0 && <p class="hint">
          {query ? 'Nothing has that in its name.' : 'No documents yet. Name one above.'}</p>}
      </main>
    </>
  )
}
