import type { RefObject } from 'preact'
import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks'

import { announce, announceOthers } from '../browser/announce'
import { CallError, change, session } from '../cluster/api'
import { whoWrites } from '../document/colors'
import { type Command, useCommands } from '../browser/commands'
import { askDurability } from '../document/durability'
import { createEditor, type Editor } from '../editor/editor'
import { type Format } from '../editor/formatting'
import { labelHere } from '../browser/keys'
import { LockKeeper } from '../document/lock_keeper'
import { Markdown } from '../text/markdown'
import { expectNewerPage } from '../cluster/newer_page'
import { leave, open, type Opened } from '../document/opened'
import { showOverlay } from '../browser/overlay'
import { peopleIn } from '../document/people'
import { messageOf } from '../cluster/poll'
import { documentLink } from '../browser/route'
import { saveAs } from '../browser/save_as'
import { useSettings } from '../browser/settings'
import { toast } from '../browser/toasts'
import { countWords } from '../text/words'
import { AssistPanel } from './assist_panel'
import { DraftStrip, useDrafts } from './draft_strip'
import { FormatBar } from './format_bar'
import { Header } from './header'
import { History } from './history'
import { Avatars } from './pieces'
import { ReadingStrip, ReadingView } from './reading_view'
import { Share } from './share'
import { type Access, savedText, shownState, StatusPill, useDurability } from './status_pill'
import { type Suggesting, useSuggesting } from './suggesting'
import { TroubleStrip } from './trouble_strip'
import { UnsentStrip } from './unsent_strip'

const kCountMs = 150
const kIndexWaitMs = 1_000 // For what is said to a key.

type Panel = '' | 'assist' | 'history' | 'share'

// The document of that name, open for as long as the page shows it; every change of it or of its
// connection draws the page anew.
function useOpened(name: string):
    { opened: Opened | null; error: unknown; reopen: () => void } {
  const [opened, setOpened] = useState<Opened | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [, redraw] = useReducer((count: number) => count + 1, 0)
  const [round, reopen] = useReducer((count: number) => count + 1, 0)
  useEffect(() => {
    const who = session()
    if (!who) return
    let isOver = false
    let found: Opened | null = null
    const onRenamed = (renamed: string) => {
      // The address follows, and the page stays: undo and all that is open with it.
      history.replaceState(null, '', documentLink(renamed))
      toast(`Renamed to ${renamed}`)
      redraw(null as never)
    }
    const onKept = () => reopen(null as never)
    // No alarm: nothing is lost, and it takes a moment.
    const onMoving = () => {
      toast('This node is being restarted. Going on with another one.')
      expectNewerPage()
    }
    const listener = { onChange: () => redraw(null as never), onRenamed, onMoving, onKept }
    open(name, who, listener).then((result) => {
      found = result
      if (isOver) return leave(result, who.user)
      result.awareness.on('change', () => redraw(null as never))
      setOpened(result)
    }, (caught: unknown) => { if (!isOver) setError(caught) })
    return () => {
      isOver = true
      setOpened(null)
      setError(null)
      if (found) leave(found, who.user)
    }
  }, [name, round])
  return { opened, error, reopen: () => reopen(null as never) }
}

// The text some moments after it changed: counting and preview need not follow every key.
function useText(opened: Opened | null): string {
  const [text, setText] = useState('')
  useEffect(() => {
    if (!opened) return
    let timer = 0
    setText(opened.text.toString())
    const onChange = () => {
      clearTimeout(timer)
      timer = window.setTimeout(() => setText(opened.text.toString()), kCountMs)
    }
    opened.text.observe(onChange)
    return () => {
      clearTimeout(timer)
      opened.text.unobserve(onChange)
    }
  }, [opened])
  return text
}

function useAnnouncements(opened: Opened | null): string[] {
  const names = opened ? [...new Set(peopleIn(opened.awareness).map((person) => person.name))] : []
  const last = useRef<string[] | null>(null)
  const key = names.join('\n')
  useEffect(() => {
    if (!opened) return
    for (const name of last.current ? names.filter((n) => !last.current?.includes(n)) : []) {
      announceOthers(`${name} is here`)
    }
    for (const name of last.current?.filter((n) => !names.includes(n)) ?? []) {
      announceOthers(`${name} has left`)
    }
    last.current = names
  }, [key, opened])
  return names
}

interface SurfaceProps {
  opened: Opened
  isReadOnly: boolean
  editor: RefObject<Editor>
  suggesting: Suggesting
  onRefused: (message: string) => void
}
function Surface({ opened, isReadOnly, editor, suggesting, onRefused }: SurfaceProps) {
  const host = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!host.current) return
    const { text, awareness } = opened
    const suggestions = suggesting.source
    const made = createEditor({ host: host.current, text, awareness, suggestions, onRefused })
    editor.current = made
    made.setReadOnly(isReadOnly)
    made.focus()
    return () => {
      editor.current = null
      made.destroy()
    }
  }, [opened])
  useEffect(() => editor.current?.setReadOnly(isReadOnly), [isReadOnly])
  return <div class="surface" ref={host} />
}

const kFormats: [Format, string, string?][] = [
  ['bold', 'Bold', 'Mod-b'], ['italic', 'Italic', 'Mod-i'], ['code', 'Code', 'Mod-e'],
  ['link', 'Link'], ['heading', 'Heading'], ['bullets', 'List'], ['numbers', 'Numbered list'],
  ['tasks', 'List of tasks'], ['quote', 'Quotation'],
]

const formatCommands = (editor: RefObject<Editor>, isOff: boolean): Command[] =>
  kFormats.map(([what, title, keys]) => ({
    title, isOff, ...(keys && { keys: [keys] }), run: () => editor.current?.format(what),
  }))

// There is none of that name, or it does not open.
function NotOpened({ name, error, onAgain }:
    { name: string; error: unknown; onAgain: () => void }) {
  const [message, setMessage] = useState('')
  const isMissing = error instanceof CallError && error.code === 'not_found'
  const create = () => void change('DocumentService/CreateDocument', { name })
    .then(onAgain, (caught: unknown) => setMessage(messageOf(caught)))
  return (
    <><Header /><main id="main" class="page"><h1>{name}</h1>
      <p class="error" role="alert">{message || messageOf(error)}</p>
      <p class="actions">
        {isMissing ? <button type="button" class="main" onClick={create}>Create it</button>
          : <button type="button" onClick={onAgain}>Try again</button>}
        <a href="#/">Back to the documents</a></p>
      <UnsentStrip /></main></>
  )
}

export function EditorPage({ name: openedAs }: { name: string }) {
  const { opened, error, reopen } = useOpened(openedAs)
  const name = opened?.link.name ?? openedAs
  const typed = useText(opened)
  const names = useAnnouncements(opened)
  const [panel, setPanel] = useState<Panel>('')
  const [hasPreview, setPreview] = useState(false)
  const [message, setMessage] = useState('')
  const editor = useRef<Editor>(null)
  const suggesting = useSuggesting(opened, editor, setMessage)
  const toggle = (which: Panel) => setPanel((shown) => (shown === which ? '' : which))

  const place = opened?.reading.place ?? 'text'
  const isReading = place === 'reading'
  const reading = opened?.reading.known ?? null
  const text = isReading ? reading?.text ?? '' : typed
  const words = useMemo(() => countWords(text), [text])
  const link = opened?.link
  const state = link ? shownState(link.state, isReading) : { kind: 'connecting' as const }
  const isOpen = state.kind !== 'connecting' && state.kind !== 'offline' && state.kind !== 'denied'
  const holdsLock = isOpen && link?.lock != null && link.canWrite
  // Offline one goes on as one was: what may not be written then is refused, and kept, on return.
  const isReadOnly = !opened || place !== 'text' || state.kind === 'readonly' || state.kind === 'denied' ||
    (state.kind === 'connecting' && opened.isUnread && !opened.hasLocalCopy)
  const id = opened?.id
  const drafts = useDrafts(id, link?.draftsRevision ?? '')
  const suggested = opened?.suggestions.all.length ?? 0
  const access: Access = {
    lock: link?.lock ?? null, hasLocalCopy: opened?.hasLocalCopy === true,
    hasDraft: drafts.some(({ user }) => user === session()?.user), isReading,
  }

  const durability = useDurability(link, id)
  const keeper = useMemo(() => (id ? new LockKeeper(id) : null), [id])
  useEffect(() => () => keeper?.close(), [keeper])
  useEffect(() => keeper?.observe(holdsLock), [keeper, holdsLock])
  const setLock = async (isLocked: boolean) => {
    try {
      await (isLocked ? keeper?.take() : keeper?.giveBack())
      setMessage('')
    } catch (caught) {
      setMessage(messageOf(caught))
    }
  }
  useEffect(() => {
    if (link?.lock) announce(holdsLock ? 'You have locked the document'
      : `Locked by ${link.lock.holder}`)
  }, [link?.lock?.holder, holdsLock])
  useEffect(() => {
    document.title = `${name} – Coterie`
    return () => { document.title = 'Coterie' }
  }, [name])
  const isUnsaved = (link?.unsavedCount ?? 0) > 0 && !opened?.hasLocalCopy
  useEffect(() => {
    if (!isUnsaved) return
    const onLeave = (event: BeforeUnloadEvent) => event.preventDefault()
    addEventListener('beforeunload', onLeave)
    return () => removeEventListener('beforeunload', onLeave)
  }, [isUnsaved])
  useEffect(() => {
    if (isReading) opened?.awareness.setLocalStateField('cursor', null)
  }, [opened, isReading])
  const { color } = useSettings()
  useEffect(() => {
    const who = session()
    if (opened && who) opened.awareness.setLocalStateField('user', whoWrites(who.user))
  }, [opened, color])

  // Who cannot write here has no use for it.
  const isLockOff = !isOpen || (isReadOnly && !holdsLock)
  const sayWhetherSaved = async () => {
    const saves = link?.saves
    const asked = state.kind === 'saved' && !durability && link && id
      ? await askDurability(link.origin, id, kIndexWaitMs).catch(() => null) : durability
    // Of what was written since it was asked it says nothing.
    const known = link?.saves === saves ? asked : null
    const now = link ? shownState(link.state, isReading) : state
    toast(savedText(now, access, known, link?.tookMs ?? null))
  }
  const hasNothing = !opened || (isReading && !reading)
  const exportTyped = () => saveAs(name, opened?.text.toString() ?? '')
  const exportText = () => (isReading && reading ? saveAs(name, reading.text) : exportTyped())
  useCommands(isReading ? 'Reading' : 'Document', [
    { title: 'AI and suggestions', keys: ['Mod-j'], isOff: !id, run: () => toggle('assist') },
    { title: 'Preview', keys: ['Mod-Alt-p'], isOff: isReading, run: () => setPreview((shown) => !shown) },
    { title: 'History', keys: ['Mod-Alt-h'], isOff: !id, run: () => toggle('history') },
    { title: holdsLock ? 'Unlock' : 'Lock', keys: ['Mod-Alt-l'], isOff: isLockOff,
      run: () => void setLock(!holdsLock) },
    { title: 'Share', keys: ['Mod-Alt-s'], isOff: !id, run: () => toggle('share') },
    { title: 'Export', isOff: hasNothing, run: exportText },
    // Nothing is to be done.
    { title: 'Is it saved?', keys: ['Mod-s'], run: () => void sayWhetherSaved() },
    { title: 'Close the panel', keys: ['Escape'], isKeyOnly: true, isOff: panel === '',
      run: () => {
        setPanel('')
        editor.current?.focus()
      } },
  ])
  useCommands('Format', isReading ? [] : formatCommands(editor, isReadOnly))

  if (error) return <NotOpened name={name} error={error} onAgain={reopen} />
  const pressed = (is: boolean) => ({ 'aria-pressed': is })
  return (
    <>
      <Header>
        <h1 class="doc-name" title={name}>{name}</h1>
        {opened && <StatusPill state={state} origin={opened.link.origin} access={access}
          durability={durability} tookMs={opened.link.tookMs} />}
      </Header>
      <div class="tools" role="toolbar" aria-label="Document">
        <Avatars names={names} />
        <span class="count">{words.toLocaleString()} {words === 1 ? 'word' : 'words'}</span>
        <span class="grow" />
        <button type="button" {...pressed(hasPreview)} disabled={isReading}
          onClick={() => setPreview(!hasPreview)}>Preview</button>
        <button type="button" {...pressed(holdsLock)} disabled={isLockOff}
          onClick={() => void setLock(!holdsLock)}>{holdsLock ? 'Unlock' : 'Lock'}</button>
        <button type="button" {...pressed(panel === 'assist')} disabled={!id}
          onClick={() => toggle('assist')}>AI{suggested > 0 && ` (${suggested})`}</button>
        <button type="button" {...pressed(panel === 'history')} disabled={!id}
          onClick={() => toggle('history')}>History</button>
        <button type="button" {...pressed(panel === 'share')} disabled={!id}
          onClick={() => toggle('share')}>Share</button>
        <button type="button" class="wide-only" disabled={hasNothing}
          onClick={exportText}>Export</button>
        <button type="button" aria-label="Keys" title={labelHere('Mod-/')}
          onClick={() => showOverlay('keys')}>?</button>
      </div>
      {opened && <TroubleStrip state={state} opened={opened} onExport={exportText} />}
      {opened && isReading && <ReadingStrip reading={reading} isOpen={isOpen} typedHere={typed}
        onExportTyped={exportTyped} />}
      {place === 'unsure' && !isOpen && <p class="strip hint" role="status">Another editor has
        written here, too: whether you can write is known when a node answers.</p>}
      {message && <p class="error strip" role="alert">{message}{' '}
        <button type="button" onClick={() => setMessage('')}>Close</button></p>}
      <DraftStrip drafts={drafts} canWrite={isOpen && opened?.link.canWrite === true} />
      <main id="main" class={`desk${hasPreview && !isReading ? ' split' : ''}`}>
        {isReading ? <ReadingView reading={reading} /> : opened ? <Surface opened={opened} isReadOnly={isReadOnly} editor={editor}
          suggesting={suggesting} onRefused={setMessage} />
          : <div class="surface skeleton" aria-busy="true" />}
        {hasPreview && !isReading && <section class="preview" aria-label="Preview" tabIndex={0}>
          <Markdown source={text} /></section>}
        {panel === 'assist' && opened && <AssistPanel opened={opened} editor={editor}
          suggesting={suggesting} canWrite={isOpen && opened.link.canWrite} isReading={isReading}
          onClose={() => setPanel('')} />}
        {panel === 'history' && opened && <History id={opened.id} current={text}
          canWrite={isOpen && opened.link.canWrite}
          onRestore={async (version) => keeper?.restore(version)}
          onClose={() => setPanel('')} />}
        {panel === 'share' && id && <Share id={id} onClose={() => setPanel('')} />}
      </main>
      {opened && !isReadOnly && <FormatBar editor={editor} />}
    </>
  )
}
