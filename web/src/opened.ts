// An open document: its Yjs content, the copy on this device, who is in it, and the connection.
import { IndexeddbPersistence } from 'y-indexeddb'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { call, CallError, type Document, type Session } from './api'
import { colorOf } from './colors'
import { Link } from './link'

const kRootText = 'text' // Where Coterie's own commands keep a document's text.
const kLocalCopyMs = 1_500 // A device that is slower than that starts without its copy.

export interface Opened {
  id: string
  doc: Y.Doc
  text: Y.Text
  awareness: Awareness
  link: Link
  hasLocalCopy: boolean
  close(): void
}

const kIds = 'coterie.ids'
const keptIds = (): Record<string, string | undefined> =>
  JSON.parse(localStorage.getItem(kIds) ?? '{}') as Record<string, string | undefined>
function keepId(name: string, id: string | undefined): void {
  localStorage.setItem(kIds, JSON.stringify({ ...keptIds(), [name]: id }))
}

type Consistency = 'CONSISTENCY_LINEARIZABLE' | 'CONSISTENCY_STALE'
async function idOf(name: string, consistency: Consistency): Promise<string> {
  const answer = await call<{ document: Document }>('DocumentService/GetDocument',
    { document: { name }, withoutText: true, consistency })
  return answer.document.id
}

// A document that was deleted and made again under its name is another one, and what is kept here
// must not be merged into it. Stale is enough, and answers while there is no leader: the node that
// says so is the one that the socket goes to. That it does not know the name yet, is not.
async function check(name: string, id: string): Promise<string | null> {
  try {
    const found = await idOf(name, 'CONSISTENCY_STALE').catch((error: unknown) => {
      if (error instanceof CallError && error.code === 'not_found') {
        return idOf(name, 'CONSISTENCY_LINEARIZABLE')
      }
      throw error
    })
    keepId(name, found)
    return found === id ? null : 'another document has this name now'
  } catch (error) {
    if (!(error instanceof CallError) ||
      !['not_found', 'permission_denied'].includes(error.code)) throw error
    keepId(name, undefined)
    return error.message
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
  // What is kept on this device is shown at once; the link sees whether it is still that document.
  const id = keptIds()[name] ?? await idOf(name, 'CONSISTENCY_LINEARIZABLE')
  keepId(name, id)
  const doc = new Y.Doc()
  const copy = await loadLocalCopy(`coterie:${session.user}:${id}`, doc)
  const awareness = new Awareness(doc)
  awareness.setLocalState({
    user: { name: session.user, color: colorOf(session.user) }, cursor: null,
  })
  const link = new Link({
    doc, awareness, name, token: session.token, copy, check: () => check(name, id), onChange,
  })
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
