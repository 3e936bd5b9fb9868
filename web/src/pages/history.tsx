import { useEffect, useMemo, useState } from 'preact/hooks'

import { call, type Version } from '../cluster/api'
import { compareLines } from '../text/lines'
import { messageOf, usePoll } from '../cluster/poll'
import { authorOf, kVersionsPage, merge, sittings } from '../document/versions'
import { clock } from './pieces'

const kPollMs = 3_000

async function page(id: string, before: string): Promise<Version[]> {
  const { versions } = await call<{ versions?: Version[] }>('DocumentService/ListVersions',
    { document: { id }, limit: kVersionsPage, before })
  return versions ?? []
}

// The newest versions, and older ones as far as they have been asked for.
function useVersions(id: string) {
  const [older, setOlder] = useState<Version[]>([])
  const [isWhole, setWhole] = useState(false)
  const { value, error, reload } = usePoll(() => page(id, '0'), kPollMs, id)
  useEffect(() => {
    setOlder([])
    setWhole(false)
  }, [id])
  // What a later look no longer brings was among the newest before.
  useEffect(() => { if (value) setOlder((known) => merge(known, value)) }, [value])
  const versions = useMemo(() => merge(older, value ?? []), [older, value])
  const hasOlder = !isWhole && versions.length >= kVersionsPage
  const loadOlder = async () => {
    const more = await page(id, versions.at(-1)?.revision ?? '0')
    if (more.length < kVersionsPage) setWhole(true)
    setOlder((known) => merge(known, more))
  }
  return { versions, error, reload, hasOlder, loadOlder }
}

export interface HistoryProps {
  id: string
  current: string
  canWrite: boolean
  onRestore: (version: string) => Promise<void>
  onClose: () => void
}

export function History({ id, current, canWrite, onRestore, onClose }: HistoryProps) {
  const { versions, error, reload, hasOlder, loadOlder } = useVersions(id)
  const [chosen, setChosen] = useState<string | null>(null)
  const [text, setText] = useState<string | null>(null)
  const [message, setMessage] = useState('')
  useEffect(() => {
    setText(null)
    if (chosen === null) return
    let isOver = false
    call<{ text?: string }>('DocumentService/GetDocument', { document: { id }, version: chosen })
      .then((answer) => { if (!isOver) setText(answer.text ?? '') },
        (caught: unknown) => { if (!isOver) setMessage(messageOf(caught)) })
    return () => { isOver = true }
  }, [chosen, id])
  const run = async () => {
    if (chosen === null) return
    try {
      await onRestore(chosen)
      setChosen(null)
      setMessage('Restored as the newest version.')
      reload()
    } catch (caught) {
      setMessage(messageOf(caught))
    }
  }
  return (
    <section class="side" aria-label="History">
      <div class="side-head"><h2>History</h2>
        <button type="button" class="quiet" onClick={onClose}>Close</button></div>
      <p role="status">{message || (error ? messageOf(error) : '')}</p>
      <ol class="versions">
        {sittings(versions).map((version) => (
          <li key={version.revision}>
            <button type="button" class="version" aria-pressed={chosen === version.revision}
              onClick={() => setChosen(version.revision)}>
              <strong>{authorOf(version)}</strong>
              {version.kind === 'CHANGE_KIND_RESTORE' && <span class="tag">restored</span>}
              <time>{new Date(Number(version.timeMs)).toLocaleDateString()}{' '}
                {clock(Number(version.timeMs))}</time>
            </button>
          </li>))}
        {hasOlder && <li><button type="button" class="version"
          onClick={() => void loadOlder().catch((caught: unknown) => setMessage(messageOf(caught)))}>
          Older versions…</button></li>}
      </ol>
      {chosen !== null && text !== null && <div class="compare">
        <p class="hint">Going back would remove what is red and bring back what is green.</p>
        <pre tabIndex={0} aria-label="Differences to the text now">
          {compareLines(current, text).map((line, index) => (
            <span key={index} class={`line-${line.kind}`}>
              {line.kind === 'added' ? '+ ' : line.kind === 'removed' ? '− ' : '  '}
              {line.text}{'\n'}</span>))}
        </pre>
        <button type="button" class="main" disabled={!canWrite}
          onClick={() => void run()}>Restore this version</button>
      </div>}
    </section>
  )
}
