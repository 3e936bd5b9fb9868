import type { RefObject } from 'preact'
import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks'

import { announce } from '../announce'
import { session } from '../api'
import { createEditor, type Editor } from '../editor'
import { LockKeeper } from '../lock_keeper'
import { Markdown } from '../markdown'
import { open, type Opened } from '../opened'
import { peopleIn } from '../people'
import { messageOf } from '../poll'
import { documentLink } from '../route'
import { countWords } from '../words'
import { AssistPanel } from './assist_panel'
import { DraftStrip, useDrafts } from './draft_strip'
import { Header } from './header'
import { History } from './history'
import { Avatars, useKey } from './pieces'
import { Share } from './share'
import { type Access, StatusPill, statusText } from './status_pill'
import { type Suggesting, useSuggesting } from './suggesting'

const kCountMs = 150

type Panel = '' | 'assist' | 'history' | 'share' | 'keys'

// The document of that name, open for as long as the page shows it; every change of it or of its
// connection draws the page anew.
function useOpened(name: string): { opened: Opened | null; error: unknown } {
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
      announce(`Renamed to ${renamed}`)
      redraw(null as never)
    }
    const onKept = () => reopen(null as never)
    open(name, who, { onChange: () => redraw(null as never), onRenamed, onKept }).then((result) => {
      found = result
      if (isOver) return result.close()
      result.awareness.on('change', () => redraw(null as never))
      setOpened(result)
    }, (caught: unknown) => { if (!isOver) setError(caught) })
    return () => {
      isOver = true
      setOpened(null)
      setError(null)
      found?.close()
    }
  }, [name, round])
  return { opened, error }
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
      announce(`${name} is here`)
    }
    for (const name of last.current?.filter((n) => !names.includes(n)) ?? []) {
      announce(`${name} has left`)
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

function saveAs(name: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/markdown' }))
  link.download = name.endsWith('.md') ? name : `${name}.md`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000)
}

const kKeys: [string, string][] = [
  ['Ctrl J', 'AI and suggestions'], ['Ctrl Alt P', 'preview'], ['Ctrl Alt H', 'history'], ['Ctrl Alt L', 'lock or unlock'],
  ['Ctrl Alt S', 'share'], ['Ctrl /', 'these keys'], ['Ctrl F', 'find'],
  ['F8, Shift F8', 'next, previous suggestion'],
  ['Ctrl Enter, Ctrl Shift Enter', 'accept, reject the one at the caret'],
  ['Ctrl Z, Ctrl Y', "undo, redo one's own edits"], ['Esc', 'close what is open'],
]

export function EditorPage({ name: openedAs }: { name: string }) {
  const { opened, error } = useOpened(openedAs)
  const name = opened?.link.name ?? openedAs
  const text = useText(opened)
  const names = useAnnouncements(opened)
  const [panel, setPanel] = useState<Panel>('')
  const [hasPreview, setPreview] = useState(false)
  const [message, setMessage] = useState('')
  const editor = useRef<Editor>(null)
  const suggesting = useSuggesting(opened, editor, setMessage)
  const toggle = (which: Panel) => setPanel((shown) => (shown === which ? '' : which))

  const words = useMemo(() => countWords(text), [text])
  const link = opened?.link
  const state = link?.state ?? { kind: 'connecting' as const }
  const isOpen = state.kind !== 'connecting' && state.kind !== 'offline' && state.kind !== 'denied'
  const holdsLock = isOpen && link?.lock != null && link.canWrite
  // Offline one goes on as one was: what may not be written then is refused, and kept, on return.
  const isReadOnly = !opened || state.kind === 'readonly' || state.kind === 'denied' ||
    (state.kind === 'connecting' && !opened.hasLocalCopy)
  const id = opened?.id
  const drafts = useDrafts(id, link?.draftsRevision ?? '')
  const suggested = opened?.suggestions.all.length ?? 0
  const access: Access = {
    lock: link?.lock ?? null, hasLocalCopy: opened?.hasLocalCopy === true,
    hasDraft: drafts.some(({ user }) => user === session()?.user),
  }

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
  const isUnsaved = 'unsaved' in state && state.unsaved > 0 && !opened?.hasLocalCopy
  useEffect(() => {
    if (!isUnsaved) return
    const onLeave = (event: BeforeUnloadEvent) => event.preventDefault()
    addEventListener('beforeunload', onLeave)
    return () => removeEventListener('beforeunload', onLeave)
  }, [isUnsaved])

  useKey('Mod-Alt-p', () => setPreview((shown) => !shown))
  useKey('Mod-Alt-h', () => toggle('history'))
  useKey('Mod-Alt-s', () => toggle('share'))
  useKey('Mod-j', () => toggle('assist'))
  useKey('Mod-Alt-l', () => void setLock(!holdsLock))
  useKey('Mod-/', () => toggle('keys'))
  useKey('Escape', () => setPanel(''))
  useKey('Mod-s', () => announce(statusText(state, access))) // Nothing is to be done.

  if (error) {
    return <><Header /><main id="main" class="page"><h1>{name}</h1>
      <p class="error" role="alert">{messageOf(error)}</p>
      <p><a href="#/">Back to the documents</a></p></main></>
  }
  const pressed = (is: boolean) => ({ 'aria-pressed': is })
  return (
    <>
      <Header>
        <h1 class="doc-name" title={name}>{name}</h1>
        {opened && <StatusPill state={state} origin={opened.link.origin} access={access} />}
      </Header>
      <div class="tools" role="toolbar" aria-label="Document">
        <Avatars names={names} />
        <span class="count">{words.toLocaleString()} {words === 1 ? 'word' : 'words'}</span>
        <span class="grow" />
        <button type="button" {...pressed(hasPreview)}
          onClick={() => setPreview(!hasPreview)}>Preview</button>
        <button type="button" {...pressed(holdsLock)} disabled={!isOpen || (isReadOnly && !holdsLock)}
          onClick={() => void setLock(!holdsLock)}>{holdsLock ? 'Unlock' : 'Lock'}</button>
        <button type="button" {...pressed(panel === 'assist')} disabled={!id}
          onClick={() => toggle('assist')}>AI{suggested > 0 && ` (${suggested})`}</button>
        <button type="button" {...pressed(panel === 'history')} disabled={!id}
          onClick={() => toggle('history')}>History</button>
        <button type="button" {...pressed(panel === 'share')} disabled={!id}
          onClick={() => toggle('share')}>Share</button>
        <button type="button" onClick={() => saveAs(name, opened?.text.toString() ?? '')}>
          Export</button>
        <button type="button" {...pressed(panel === 'keys')} aria-label="Keys"
          onClick={() => toggle('keys')}>?</button>
      </div>
      {state.kind === 'denied' && <p class="strip" role="alert">
        What you see is kept here and can be exported.{' '}
        <button type="button" onClick={() => location.reload()}>Try again</button></p>}
      {message && <p class="error strip" role="alert">{message}{' '}
        <button type="button" onClick={() => setMessage('')}>Close</button></p>}
      <DraftStrip drafts={drafts} canWrite={isOpen && opened?.link.canWrite === true} />
      <main id="main" class={`desk${hasPreview ? ' split' : ''}`}>
        {opened ? <Surface opened={opened} isReadOnly={isReadOnly} editor={editor}
          suggesting={suggesting} onRefused={setMessage} />
          : <div class="surface skeleton" aria-busy="true" />}
        {hasPreview && <section class="preview" aria-label="Preview" tabIndex={0}>
          <Markdown source={text} /></section>}
        {panel === 'assist' && opened && <AssistPanel opened={opened} editor={editor}
          suggesting={suggesting} canWrite={isOpen && opened.link.canWrite}
          onClose={() => setPanel('')} />}
        {panel === 'history' && opened && <History id={opened.id} current={text}
          canWrite={isOpen && opened.link.canWrite}
          onRestore={async (version) => keeper?.restore(version)}
          onClose={() => setPanel('')} />}
        {panel === 'share' && id && <Share id={id} onClose={() => setPanel('')} />}
        {panel === 'keys' && <section class="side" aria-label="Keys">
          <div class="side-head"><h2>Keys</h2>
            <button type="button" class="quiet" onClick={() => setPanel('')}>Close</button></div>
          <dl class="keys">{kKeys.map(([keys, what]) => <div key={keys}>
            <dt><kbd>{keys}</kbd></dt><dd>{what}</dd></div>)}</dl></section>}
      </main>
    </>
  )
}
