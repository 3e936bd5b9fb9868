// An open document: its Yjs content, the copy on this device, who is in it, and the connection.
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { call, CallError, type Document, session, type Session } from '../cluster/api'
import { whoWrites } from './colors'
import { keepId, keptId } from '../offline/kept_ids'
import { addToList } from '../offline/kept_list'
import { type Found, Link } from './link'
import { lingering } from './lingering'
import { LocalCopy } from '../offline/local_copy'
import { askReading, ReadingKeeper } from './reading'
import { UnsentMark } from './unsent_mark'
import { Suggestions } from './suggestions'

export const kRootText = 'text' // Where Coterie's own commands keep a document's text.

export interface Opened {
  id: string
  ref: string // On this device, and nowhere else: the document of this cluster.
  doc: Y.Doc
  text: Y.Text
  awareness: Awareness
  link: Link
  suggestions: Suggestions
  reading: ReadingKeeper
  readonly hasLocalCopy: boolean // All of it is on this device, too.
  // Neither this device nor a node has said yet what is in it; it may be much.
  readonly isUnread: boolean
  close(): void
}

export const copyName = (user: string, ref: string): string => `coterie:${user}:${ref}`

// Ids alone are not enough: a cluster that begins anew from a backup gives those of the documents
// that were made after it to other documents.
const refOf = ({ id, createdAtMs }: Document): string => `${id}@${createdAtMs ?? '0'}`
const idOf = (ref: string): string => ref.replace(/@.*/, '')

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
async function check(ref: string, name: string): Promise<Found> {
  let found: Document | null = null
  let why = 'this cluster does not have it'
  try {
    found = await documentOf({ id: idOf(ref) })
  } catch (error) {
    if (!isCode(error, 'not_found', 'permission_denied')) throw error
    why = 'it was deleted, or you may not see it any more'
  }
  if (found && refOf(found) === ref) {
    if (found.name !== name) keepId(name, null)
    keepId(found.name, ref)
    return { name: found.name }
  }
  if (keptId(name) === ref) keepId(name, null)
  const successor = await documentOf({ name }).catch(() => null)
  return { over: successor ? 'another document has this name now' : why }
}

export interface OpenListener {
  onChange: () => void
  onRenamed: (name: string) => void
  // The node that it was open on is being stopped.
  onMoving?: () => void
  // What was written here and not taken is a draft now: open the document anew.
  onKept: () => void
}

export interface OpenOptions {
  ref?: string // Of what is kept here, whatever has its name now.
  isSilent?: boolean // Nobody is told that its writer is there.
}

export async function open(name: string, { user, token }: Session,
    { onChange, onRenamed, onMoving, onKept }: OpenListener, options: OpenOptions = {}): Promise<Opened> {
  // What is kept on this device is shown at once; the link sees whether it is still that document.
  const ref = options.ref ?? keptId(name) ?? refOf(await documentOf({ name }))
  const id = idOf(ref)
  if (options.ref === undefined) {
    keepId(name, ref)
    addToList(user, id, name)
  }
  const doc = new Y.Doc()
  const changed = () => {
    mark?.update()
    onChange()
  }
  let mark: UnsentMark | null = null
  const copy = new LocalCopy({ name: copyName(user, ref), doc, onChange: changed })
  await copy.ready
  const awareness = new Awareness(doc)
  awareness.setLocalState(options.isSilent ? null : { user: whoWrites(user), cursor: null })
  const text = doc.getText(kRootText)
  const suggestions = new Suggestions({ id, text, onChange })
  const link = new Link({
    doc, awareness, name, token: () => session()?.token ?? token, copy,
    check: (known) => check(ref, known), onRenamed: (renamed) => {
      keepId(renamed, ref)
      addToList(user, id, renamed)
      onRenamed(renamed)
    },
    onMoving: () => onMoving?.(),
    onSuggestions: (revision) => void suggestions.load(revision), onChange: changed,
    onKept: () => {
      copy.forget()
      onKept()
    },
  })
  mark = new UnsentMark({ user, ref, link, copy })
  const reading = new ReadingKeeper({
    text, isHidden: () => document.hidden, onChange,
    ask: async () => (link.isOpen ? askReading(link.origin, id) : null),
  })
  const opened: Opened = {
    id, ref, doc, text, awareness, link, suggestions, reading,
    get hasLocalCopy() { return copy.isKeeping },
    get isUnread() { return !copy.hadText && !link.wasInSync },
    close() {
      mark.close()
      link.close()
      reading.close()
      suggestions.close()
      awareness.destroy()
      copy.close()
      doc.destroy()
    },
  }
  // What an earlier visit left, because it was nowhere else.
  const left = lingering.take(copyName(user, ref))
  if (left) {
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(left.doc))
    left.close()
  }
  return opened
}

// The page is done with it; what is written here and nowhere else is not.
export function leave(opened: Opened, user: string): void {
  const isNowhereElse = () => opened.link.unsavedCount > 0 && !opened.hasLocalCopy
  lingering.keep(copyName(user, opened.ref), opened, isNowhereElse)
}
