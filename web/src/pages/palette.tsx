// Everything that can be done or opened, by a few letters of its name.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'

import { change, type Document } from '../cluster/api'
import { type DocumentList, listDocuments } from '../cluster/document_list'
import { type Command, commandGroups } from '../browser/commands'
import { bestOf } from '../browser/fuzzy'
import { labelHere } from '../browser/keys'
import { showOverlay } from '../browser/overlay'
import { messageOf } from '../cluster/poll'
import { documentLink } from '../browser/route'
import { useSettled } from '../browser/settled'
import { toast } from '../browser/toasts'
import { Dialog } from './dialog'

const kShownMax = 40
const kDocumentsWithoutQuery = 6
const kNewestSteps = 5 // 1000 documents.
const kPauseMs = 150 // In what is typed.

interface Entry { title: string; kind: string; keys?: string | undefined; run: () => void }

const goTo = (name: string) => () => { location.hash = documentLink(name) }

async function create(name: string): Promise<void> {
  try {
    await change('DocumentService/CreateDocument', { name })
    goTo(name)()
  } catch (error) {
    toast(messageOf(error))
  }
}

// Documents before commands, as they are what most are after; without a query the newest few.
function entriesFor(query: string, documents: readonly Document[], commands: readonly Entry[]):
    Entry[] {
  const wanted = query.trim()
  const found = bestOf(wanted, documents, ({ name }) => name)
    .slice(0, wanted ? kShownMax : kDocumentsWithoutQuery)
    .map(({ name }) => ({ title: name, kind: 'document', run: goTo(name) }))
  const fitting = bestOf(wanted, commands, ({ title, kind }) => `${title} ${kind}`)
  const isNew = wanted !== '' && !documents.some(({ name }) => name === wanted)
  const made = { title: `New document “${wanted}”`, kind: '', run: () => void create(wanted) }
  return [...found, ...fitting, ...(isNew ? [made] : [])].slice(0, kShownMax)
}

function commandsNow(): Entry[] {
  const isShown = (command: Command) => !command.isOff && !command.isKeyOnly
  return commandGroups().flatMap(({ name, commands }) => commands.filter(isShown)
    .map(({ title, keys, run }) => ({ title, kind: name, keys: keys?.[0], run })))
}

// The newest ones, and those that a node finds by their names where there are more.
function useDocuments(query: string): Document[] {
  const [newest, setNewest] = useState<DocumentList | null>(null)
  const [found, setFound] = useState<Document[]>([])
  const asked = useSettled(newest?.hasMore ? query.trim() : '', kPauseMs)
  useEffect(() => {
    let isOver = false
    listDocuments('', kNewestSteps, true).then((list) => {
      if (!isOver) setNewest(list)
    }, () => undefined) // Without a node there are the commands.
    return () => { isOver = true }
  }, [])
  useEffect(() => {
    if (asked === '') return
    let isOver = false
    listDocuments(asked, 1, true).then(({ documents }) => {
      if (!isOver) setFound(documents)
    }, () => undefined)
    return () => { isOver = true }
  }, [asked])
  return useMemo(() => {
    const all = newest?.documents ?? []
    const known = new Set(all.map(({ id }) => id))
    return [...all, ...found.filter(({ id }) => !known.has(id))]
  }, [newest, found])
}

export function Palette() {
  const [query, setQuery] = useState('')
  const [at, setAt] = useState(0)
  const documents = useDocuments(query)
  const commands = useMemo(commandsNow, [])
  const entries = useMemo(() => entriesFor(query, documents, commands),
    [query, documents, commands])
  const list = useRef<HTMLUListElement>(null)
  const chosen = Math.min(at, entries.length - 1)
  useEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' }), [chosen])
  const run = (entry: Entry | undefined) => {
    if (!entry) return
    showOverlay(null)
    // When the focus is back where it was: some commands give it to something else.
    setTimeout(entry.run, 0)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }
    const step = steps[event.key]
    if (step !== undefined) {
      event.preventDefault()
      const next = chosen + step
      const last = entries.length - 1
      const isOne = Math.abs(step) === 1
      setAt(next < 0 ? (isOne ? last : 0) : next > last ? (isOne ? 0 : last) : next)
    } else if (event.key === 'Enter' && !event.isComposing) {
      event.preventDefault()
      run(entries[chosen])
    }
  }
  return (
    <Dialog label="Go to or do" kind="palette">
      <input role="combobox" aria-label="Documents and commands" aria-expanded="true"
        aria-controls="palette-list" aria-autocomplete="list" autocomplete="off" spellcheck={false}
        aria-activedescendant={entries.length > 0 ? `palette-${chosen}` : undefined}
        placeholder="A document, or something to do" autofocus value={query} onKeyDown={onKeyDown}
        onInput={(event) => {
          setQuery(event.currentTarget.value)
          setAt(0)
        }} />
      <ul ref={list} id="palette-list" role="listbox" aria-label="What fits">
        {entries.map((entry, index) => (
          <li key={`${entry.kind} ${entry.title}`} id={`palette-${index}`} role="option"
            aria-selected={index === chosen} onClick={() => run(entry)}
            onMouseMove={() => setAt(index)}>
            <span class="palette-title">{entry.title}</span>
            <span class="hint">{entry.kind}</span>
            {entry.keys && <kbd>{labelHere(entry.keys)}</kbd>}
          </li>))}
      </ul>
      {entries.length === 0 && <p class="hint" role="status">Nothing fits.</p>}
    </Dialog>
  )
}
