// An open document: its Yjs content, the copy on this device, who is in it, and the connection.
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { call, CallError, type Document, type Session } from './api'
import { colorOf } from './colors'
import { keepId, keptId } from './kept_ids'
import { type Found, Link } from './link'
import { LocalCopy } from './local_copy'
import { messageOf } from './poll'
import { Suggestions } from './suggestions'

const kRootText = 'text' // Where Coterie's own commands keep a document's text.

export interface Opened {
  id: string
  doc: Y.Doc
  text: Y.Text
  awareness: Awareness
  link: Link
  suggestions: Suggestions
  readonly hasLocalCopy: boolean // All of it is on this device, too.
  close(): void
}

async function documentOf(ref: { id: string } | { name: string }): Promise<Document> {
  const answer = await call<{ document: Document }>('DocumentService/GetDocument',
    { document: ref, withoutText: true })
  return answer.document
}
const isCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof CallError && codes.includes(error.code)

// A document that was deleted and made again under its name is another one, and what is kept here
// must not be merged into it; one that was renamed is still the same. As of now: opening goes by the
// name as it is now, so that an older one would open nothing, or another document.
async function check(id: string, name: string): Promise<Found> {
  try {
    const found = await documentOf({ id })
    if (found.name !== name) keepId(name, null)
    keepId(found.name, id)
    return { name: found.name }
  } catch (error) {
    if (!isCode(error, 'not_found', 'permission_denied')) throw error
    keepId(name, null)
    const successor = await documentOf({ name }).catch(() => null)
    return { over: successor ? 'another document has this name now' : messageOf(error) }
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
  const id = keptId(name) ?? (await documentOf({ name })).id
  keepId(name, id)
  const doc = new Y.Doc()
  const copy = new LocalCopy({ name: `coterie:${session.user}:${id}`, doc, onChange })
  await copy.ready
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
      copy.forget()
      onKept()
    },
  })
  return {
    id, doc, text, awareness, link, suggestions,
    get hasLocalCopy() { return copy.isKeeping },
    close() {
      link.close()
      suggestions.close()
      awareness.destroy()
      copy.close()
      doc.destroy()
    },
  }
}
