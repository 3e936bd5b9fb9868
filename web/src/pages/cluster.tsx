import { useEffect, useReducer, useRef, useState } from 'preact/hooks'

import { announce } from '../browser/announce'
import { order, type Running, running } from '../cluster/control'
import { control, node } from '../cluster/nodes'
import { messageOf } from '../cluster/poll'
import { type Election, type Point, Story, stretchOf, verdictOf } from '../cluster/story'
import { useWatch } from '../cluster/watch'
import { Card, milliseconds } from './cluster_card'
import { Picture } from './cluster_picture'
import { Header } from './header'
import { exactClock } from './pieces'

const kRunningEveryMs = 1_000
const kSilentMs = 2_500
const kVotesShownMs = 15_000

// --- Hearing ---

interface Heard { story: Story; heardMs: number; nowMs: number; error: unknown }

function useStory(): Heard {
  const story = useRef<Story | null>(null)
  story.current ??= new Story()
  const heardMs = useRef(Date.now())
  const [, redraw] = useReducer((count: number) => count + 1, 0)
  const error = useWatch((word) => {
    heardMs.current = Date.now()
    for (const text of story.current?.take(word, heardMs.current) ?? []) announce(text)
    redraw(null as never)
  })
  useEffect(() => {
    // Nobody says that nobody says anything.
    const timer = setInterval(() => {
      if (Date.now() - heardMs.current > kSilentMs) redraw(null as never)
    }, 1_000)
    return () => clearInterval(timer)
  }, [])
  return { story: story.current, heardMs: heardMs.current, nowMs: Date.now(), error }
}

// Which nodes the launcher of a development cluster runs; null when there is none, or it is gone.
function useRunning(): [Running | null, (which: string, verb: 'kill' | 'start') => void, string] {
  const url = control()
  const [known, setKnown] = useState<Running | null>(null)
  const [message, setMessage] = useState('')
  useEffect(() => {
    if (!url) return
    let isOver = false
    const read = () => {
      if (document.hidden) return
      void running(url).then(
        (result) => { if (!isOver) setKnown(result) },
        () => { if (!isOver) setKnown(null) })
    }
    read()
    const timer = setInterval(read, kRunningEveryMs)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [url])
  const give = (which: string, verb: 'kill' | 'start') => {
    if (!url) return
    order(url, which, verb).then((result) => {
      setKnown(result)
      setMessage('')
    }, (error: unknown) => setMessage(messageOf(error)))
  }
  return [known, give, message]
}

// --- Showing ---

const kWide = 240
const kHigh = 36

function Spark({ values, label, now }: { values: (number | null)[]; label: string; now: string }) {
  const highest = Math.max(...values.map((value) => value ?? 0), 1e-9)
  const points = values.map((value, i) => `${(kWide * i / Math.max(values.length - 1, 1)).toFixed(1)
  },${(kHigh - 2 - (kHigh - 4) * (value ?? 0) / highest).toFixed(1)}`).join(' ')
  return (
    <figure class="spark">
      <figcaption>{label}: <strong>{now}</strong></figcaption>
      <svg viewBox={`0 0 ${kWide} ${kHigh}`} aria-hidden="true" preserveAspectRatio="none">
        <polyline points={points} /></svg>
    </figure>
  )
}

function Sparks({ points }: { points: Point[] }) {
  const newest = points.at(-1)
  return (
    <div class="sparks">
      <Spark label="Edits a second" now={newest?.updates.toFixed(1) ?? '–'}
        values={points.map((point) => point.updates)} />
      <Spark label="Edit to commit, p99" now={milliseconds(newest?.commitWorst)}
        values={points.map((point) => point.commitWorst)} />
    </div>
  )
}

const names = (ids: readonly string[]): string =>
  (ids.length === 0 ? 'nobody' : ids.map((id) => `n${id}`).join(', '))

function Votes({ election }: { election: Election | null }) {
  if (!election) return <p class="votes hint">No election since the nodes began to remember.</p>
  const { candidate, term, kind, granted, refused, isWon } = election
  return (
    <p class="votes"><strong>{kind === 'would' ? 'Asked before an election' : 'Last election'}</strong>
      {`: n${candidate} for term ${term}. ${kind === 'would' ? 'Would vote for it' : 'Voted for it'}: ${
        names(granted)}${refused.length > 0 ? `; against: ${names(refused)}` : ''}. ${
        isWon ? 'It was elected.' : ''}`}</p>
  )
}

function Legend() {
  return (
    <ul class="legend hint" aria-label="What the picture shows">
      <li><span class="key key-open" />heard</li>
      <li><span class="key key-cut" />cut: nothing comes through</li>
      <li><span class="key key-quiet" />no messages expected</li>
      <li><span class="key key-append" />log entries, and answers: a dot for all of 0.2 s</li>
    </ul>
  )
}

function TapeLegend() {
  return (
    <ul class="legend hint" aria-label="What the tapes show">
      <li><span class="key key-applied" />applied</li>
      <li><span class="key key-committed" />committed</li>
      <li><span class="key key-appended" />appended</li>
    </ul>
  )
}

function Timeline({ lines }: { lines: Story['lines'] }) {
  return (
    <ol class="events" aria-label="What happened, the newest first" tabIndex={0}>
      {lines.map(({ key, timeMs, text, isLoud }) => <li key={key} class={isLoud ? 'loud' : ''}>
        <time>{exactClock(timeMs)}</time> {text}</li>)}
      {lines.length === 0 && <li class="hint">No election, nobody lost.</li>}
    </ol>
  )
}

export function Cluster() {
  const { story, heardMs, nowMs, error } = useStory()
  const [known, give, refusal] = useRunning()
  const { nodes, links, election, lines } = story
  const isSilent = nowMs - heardMs > kSilentMs
  const silence = nodes.length > 0 ? `No node answers. What is shown is ${
    Math.round((nowMs - heardMs) / 1_000)} s old.` : 'No node answers.'
  const isVoting = nowMs - story.votedMs < kVotesShownMs
  const stretch = stretchOf(nodes)
  return (
    <>
      <Header />
      <main id="main" class="page wide cluster" tabIndex={0}>{/* It scrolls. */}
        <h1>Cluster</h1>
        {nodes.length > 0 && <p><strong role="status">{isSilent ? silence : verdictOf(nodes)}</strong>
          <span class="hint"> · seen by {node()}</span></p>}
        <p class="error" role="alert">
          {refusal || (error && isSilent ? messageOf(error) : '')}</p>
        {nodes.length > 0 && <>
          <div class="overview">
            <section class="panel" aria-label="Connections">
              <Picture nodes={nodes} links={links} election={isVoting ? election : null} />
              <Legend />
              <Votes election={election} />
            </section>
            <section class="panel" aria-label="What happened">
              <h2>What happened</h2>
              <Timeline lines={lines} />
            </section>
          </div>
          <Sparks points={story.points} />
          <TapeLegend />
        </>}
        <ul class={`cards${isSilent ? ' is-silent' : ''}`} aria-label="Nodes">
          {nodes.map((view) => <Card key={view.id} view={view} stretch={stretch} nowMs={nowMs}
            isAnswering={view.id === story.answering} isRunning={known?.get(view.id) ?? null}
            onOrder={(verb) => give(view.id, verb)} />)}
        </ul>
        {known && <p class="hint">This is a development cluster: stop the leader and keep
          typing.</p>}
      </main>
    </>
  )
}
