// An open document: its Yjs content, the copy on this device, who is in it, and the connection.
import { IndexeddbPersistence } from 'y-indexeddb'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { call, CallError, type Document, type Session } from './api'
import { colorOf } from './colors'
import { type Found, Link } from './link'
import { messageOf } from './poll'
import { Suggestions } from './suggestions'

const kRootText = 'text' // Where Coterie's own commands keep a document's text.
const kLocalCopyMs = 1_500 // A device that is slower than that starts without its copy.

export interface Opened {
  id: string
  doc: Y.Doc
  text: Y.Text
  awareness: Awareness
  link: Link
  suggestions: Suggestions
  hasLocalCopy: boolean
  close(): void
}

const kIds = 'coterie.ids'
const keptIds = (): Record<string, string | undefined> =>
  JSON.parse(localStorage.getItem(kIds) ?? '{}') as Record<string, string | undefined>
function keepId(name: string, id: string | undefined): void {
  localStorage.setItem(kIds, JSON.stringify({ ...keptIds(), [name]: id }))
}

// Which of this device's copies of a document counts: one whose changes became a draft is left
// behind, and a new one begun with what the cluster has.
const kCopies = 'coterie.copies'
const copies = (): Record<string, number | undefined> =>
  JSON.parse(localStorage.getItem(kCopies) ?? '{}') as Record<string, number | undefined>
function copyKey(key: string): string {
  const count = copies()[key] ?? 0
  return count > 0 ? `${key}:${count}` : key
}
function beginNewCopy(key: string): void {
  const all = copies()
  localStorage.setItem(kCopies, JSON.stringify({ ...all, [key]: (all[key] ?? 0) + 1 }))
}

type Consistency = 'CONSISTENCY_LINEARIZABLE' | 'CONSISTENCY_STALE'
async function documentOf(ref: { id: string } | { name: string }, consistency: Consistency):
    Promise<Document> {
  const answer = await call<{ document: Document }>('DocumentService/GetDocument',
    { document: ref, withoutText: true, consistency })
  return answer.document
}
const isCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof CallError && codes.includes(error.code)

// A document that was deleted and made again under its name is another one, and what is kept here
// must not be merged into it; one that was renamed is still the same. Stale is enough, and answers
// while there is no leader: the node that says so is the one that the socket goes to. That it does
// not know the document yet, is not.
async function check(id: string, name: string): Promise<Found> {
  try {
    const found = await documentOf({ id }, 'CONSISTENCY_STALE').catch((error: unknown) => {
      if (isCode(error, 'not_found')) return documentOf({ id }, 'CONSISTENCY_LINEARIZABLE')
      throw error
    })
    if (found.name !== name) keepId(name, undefined)
    keepId(found.name, id)
    return { name: found.name }
  } catch (error) {
    if (!isCode(error, 'not_found', 'permission_denied')) throw error
    keepId(name, undefined)
    const successor = await documentOf({ name }, 'CONSISTENCY_LINEARIZABLE').catch(() => null)
    return { over: successor ? 'another document has this name now' : messageOf(error) }
  }
}

async function loadLocalCopy(key: string, doc: Y.Doc): Promise<IndexeddbPersistence | null> {
  try {
    const copy = new IndexeddbPersistence(key, doc)
    const late = new Promise((done) => setTimeout(done, kLocalCopyMs))
    await Promise.race([copy.whenSynced, late])
    return copy
  } catch {
    return null // A browser that keeps nothing: the page says so.
  }
}

export interface OpenListener {
  onChange: () => void
  onRenamed: (name: string) => void
  // What was written here and not taken is a draft now: open the document anew.
  onKept: () => void
}

export async function open(name: string, session: Session,
    { onChange, onRenamed, onKept }: OpenListener): Promise<Opened> {
  // What is kept on this device is shown at once; the link sees whether it is still that document.
  const id = keptIds()[name] ?? (await documentOf({ name }, 'CONSISTENCY_LINEARIZABLE')).id
  keepId(name, id)
  const doc = new Y.Doc()
  const key = `coterie:${session.user}:${id}`
  const copy = await loadLocalCopy(copyKey(key), doc)
  const awareness = new Awareness(doc)
  awareness.setLocalState({
    user: { name: session.user, color: colorOf(session.user) }, cursor: null,
  })
  const text = doc.getText(kRootText)
  const suggestions = new Suggestions({ id, text, onChange })
  const link = new Link({
    doc, awareness, name, token: session.token, copy,
    check: (known) => check(id, known), onRenamed: (renamed) => {
      keepId(renamed, id)
      onRenamed(renamed)
    },
    onSuggestions: (revision) => void suggestions.load(revision), onChange,
    onKept: () => {
      beginNewCopy(key)
      void copy?.clearData()
      onKept()
    },
  })
  return {
    id, doc, text, awareness, link, suggestions, hasLocalCopy: copy !== null,
    close() {
      link.close()
      suggestions.close()
      awareness.destroy()
      void copy?.destroy()
      doc.destroy()
    },
  }
}
