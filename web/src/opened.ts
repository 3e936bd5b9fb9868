// An open document: its Yjs content, the copy on this device, who is in it, and the connection.
import { IndexeddbPersistence } from 'y-indexeddb'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { call, type Document, type Session } from './api'
import { colorOf } from './colors'
import { Link } from './link'

const kRootText = 'text' // Where Coterie's own commands keep a document's text.
const kLocalCopyMs = 1_500 // A device that is slower than that starts without its copy.

export interface Opened {
  id: string | undefined // Undefined: no node has ever told it to this browser.
  doc: Y.Doc
  text: Y.Text
  awareness: Awareness
  link: Link
  hasLocalCopy: boolean
  close(): void
}

const kIds = 'coterie.ids'
function keptId(name: string): string | undefined {
  return (JSON.parse(localStorage.getItem(kIds) ?? '{}') as Record<string, string>)[name]
}
function keepId(name: string, id: string): void {
  const ids = JSON.parse(localStorage.getItem(kIds) ?? '{}') as Record<string, string>
  localStorage.setItem(kIds, JSON.stringify({ ...ids, [name]: id }))
}

// By the id: a document that was deleted and made again under its name is another one.
async function find(name: string): Promise<string | undefined> {
  try {
    const answer = await call<{ document: Document }>('DocumentService/GetDocument',
      { document: { name }, withoutText: true })
    keepId(name, answer.document.id)
    return answer.document.id
  } catch (error) {
    const id = keptId(name)
    const isOffline = error instanceof Error && 'code' in error &&
      ['offline', 'unavailable', 'deadline_exceeded'].includes(String(error.code))
    if (!isOffline || id === undefined) throw error
    return id
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

export async function open(name: string, session: Session, onChange: () => void): Promise<Opened> {
  const id = await find(name)
  const doc = new Y.Doc()
  const copy = await loadLocalCopy(`coterie:${session.user}:${id ?? name}`, doc)
  const awareness = new Awareness(doc)
  awareness.setLocalState({
    user: { name: session.user, color: colorOf(session.user) }, cursor: null,
  })
  const link = new Link({ doc, awareness, name, token: session.token, copy, onChange })
  return {
    id, doc, text: doc.getText(kRootText), awareness, link, hasLocalCopy: copy !== null,
    close() {
      link.close()
      awareness.destroy()
      void copy?.destroy()
      doc.destroy()
    },
  }
}
