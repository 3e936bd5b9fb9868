// Asking the language model: what may be asked, the answer as it comes, and stopping it.
import type { RefObject } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

import { announce } from '../browser/announce'
import { CallError } from '../cluster/api'
import {
  type Answer, heard, newAnswer, run, type Task, type TextRange, type Tone, wordsFor,
} from '../document/assist'
import type { Editor } from '../editor/editor'
import { Markdown } from '../text/markdown'
import { messageOf } from '../cluster/poll'

const kTones: [Tone, string][] = [
  ['clearer', 'clearer'], ['shorter', 'shorter'], ['formal', 'more formal'],
  ['friendly', 'friendlier'],
]
const kQuestionMax = 2_000
const kInstructionMax = 300 // Of at most 3 bytes each, nearly always: a node takes 1 KiB.

// The task that runs, and what came of the last one.
function useAnswer(id: string, editor: RefObject<Editor>) {
  const [answer, setAnswer] = useState<Answer | null>(null)
  const [error, setError] = useState<unknown>(null)
  // What an answer that ended early has not read. It moves with what others write.
  const [rest, setRest] = useState<(() => TextRange) | null>(null)
  const running = useRef<AbortController | null>(null)
  const stop = () => running.current?.abort()
  const begin = async (task: Task, range: TextRange | null) => {
    stop()
    const control = new AbortController()
    running.current = control
    let made = newAnswer(task)
    setError(null)
    setRest(null)
    setAnswer(made)
    const end = range && editor.current?.follow(range.end)
    try {
      for await (const event of run(task, id, range, control.signal)) {
        made = heard(made, event)
        if (running.current === control) setAnswer(made)
      }
      if (made.state === 'running') made = { ...made, state: 'stopped' }
    } catch (caught) {
      made = { ...made, state: 'failed' }
      if (running.current === control) setError(caught)
    }
    if (running.current !== control) return
    running.current = null
    setAnswer(made)
    const from = made.resumeAt === null ? null : editor.current?.follow(made.resumeAt)
    if (from) setRest(() => () => ({ begin: from(), end: end?.() ?? 0 }))
    announce([outcomeOf(made) || (made.notes.length > 0 ? '' : 'The answer is complete'),
      ...made.notes].filter(Boolean).join(' '))
  }
  useEffect(() => stop, [id])
  return { answer, error, begin, stop, rest }
}

function outcomeOf({ state, task, text, suggestions, dropped, resumeAt }: Answer): string {
  if (state === 'stopped') return 'Stopped.'
  if (state !== 'done') return ''
  if (task.kind === 'summarize') return text ? '' : 'There is nothing to summarize.'
  if (task.kind === 'ask') return text ? '' : 'The model had no answer.'
  const held = (dropped > 0 ? ` ${dropped} more held back: no corrections of what is there.` : '') +
    (resumeAt === null ? '' : ' The rest of the text is not read yet.')
  if (suggestions === 0) return `Nothing to suggest.${held}`
  return `${suggestions} ${suggestions === 1 ? 'suggestion' : 'suggestions'} in the text.${held}`
}

function Failure({ error }: { error: unknown }) {
  const hasNoModel = error instanceof CallError && error.reason === 'NO_MODEL'
  return (
    <div class="no-model" role="alert">
      <p class="error">{messageOf(error)}</p>
      {hasNoModel && <p class="hint">Any chat model as a GGUF file will do; a small one that runs
        without a graphics card is <code>tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf</code> (669 MB). It
        runs on your own machines, and nothing of a document leaves them.</p>}
    </div>
  )
}

function Progress({ answer: { waiting, known, done, text } }: { answer: Answer }) {
  const percent = waiting && waiting.for !== 'place' ? waiting.percent : null
  return (
    <div class="waiting">
      {known > 0 && <p class="hint">{done} of {known} parts</p>}
      {known > 0 && <progress aria-label="Parts done" max={known} value={done} />}
      {(waiting || known === 0) && <p class="hint">
        {waiting ? wordsFor(waiting) : text ? 'Writing…' : 'Thinking…'}</p>}
      {percent !== null && <progress aria-label={waiting?.for === 'model' ? 'The model loaded'
        : 'The text read'} max={100} value={percent} />}
    </div>
  )
}

interface ReplyProps {
  answer: Answer
  onInsert: ((text: string) => void) | null
  onGoOn: (() => void) | null
}
function Reply({ answer, onInsert, onGoOn }: ReplyProps) {
  const isFree = answer.task.kind === 'ask' || answer.task.kind === 'summarize'
  const isRunning = answer.state === 'running'
  const outcome = outcomeOf(answer)
  return (
    <div class="answer" aria-busy={isRunning}>
      {answer.text && answer.suggestions === 0 && <div class="answer-text" tabIndex={0} aria-label="Answer">
        <Markdown source={answer.text} /></div>}
      {isRunning && <Progress answer={answer} />}
      {outcome && <p role="status">{outcome}</p>}
      {answer.notes.map((note) => <p key={note} class="hint">{note}</p>)}
      {!isRunning && onGoOn && <p class="actions">
        <button type="button" onClick={onGoOn}>Go on from there</button></p>}
      {!isRunning && isFree && answer.text && <p class="actions">
        {onInsert && <button type="button" onClick={() => onInsert(answer.text)}>
          Insert at the caret</button>}
        {isSecureContext && <button type="button"
          onClick={() => void navigator.clipboard.writeText(answer.text)}>Copy</button>}</p>}
      {answer.model && <p class="hint">{answer.model}, on your own machines</p>}
    </div>
  )
}

export interface AssistantProps {
  id: string
  editor: RefObject<Editor>
  canWrite: boolean
  isReading: boolean
}

export function Assistant({ id, editor, canWrite, isReading }: AssistantProps) {
  const { answer, error, begin, stop, rest } = useAnswer(id, editor)
  const [tone, setTone] = useState<Tone | 'own'>('clearer')
  const [instruction, setInstruction] = useState('')
  const isRunning = answer?.state === 'running'
  const selected = editor.current?.selection() ?? null
  const start = (task: Task) => void begin(task, editor.current?.selection() ?? null)
  const ask = (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const question = String(new FormData(form).get('question')).trim()
    if (question) start({ kind: 'ask', question })
  }
  const makeIt = () => {
    if (tone !== 'own') start({ kind: 'enhance', tone })
    else if (instruction.trim()) start({ kind: 'instruct', instruction: instruction.trim() })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !isRunning) return
    event.stopPropagation()
    stop()
  }
  const about = selected ? `of the ${selected.end - selected.begin} selected characters`
    : 'of the whole document'
  return (
    <section class="assistant" aria-label="Ask the model" onKeyDown={onKeyDown}>
      <div class="tasks" role="group" aria-label="Tasks">
        <button type="button" disabled={!canWrite || isRunning}
          onClick={() => start({ kind: 'grammar' })}>Fix grammar</button>
        <button type="button" disabled={!canWrite || isRunning}
          onClick={() => start({ kind: 'continue' })}>Continue</button>
        <button type="button" disabled={isRunning}
          onClick={() => start({ kind: 'summarize' })}>Summarize</button>
        <span class="inline">
          <button type="button" disabled={!canWrite || isRunning}
            onClick={makeIt}>Make it</button>
          <select aria-label="How it should sound" value={tone}
            onChange={(event) => setTone(event.currentTarget.value as Tone | 'own')}>
            {kTones.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
            <option value="own">as I say…</option>
          </select>
        </span>
        {tone === 'own' && <input class="instruction" aria-label="What is to become of it"
          maxLength={kInstructionMax} autocomplete="off" placeholder="in British spelling, as a list…"
          value={instruction} onInput={(event) => setInstruction(event.currentTarget.value)}
          onKeyDown={(event) => { if (event.key === 'Enter' && canWrite && !isRunning) makeIt() }} />}
      </div>
      <p class="hint">{isReading ? 'What another editor wrote can be asked about and summarized.'
        : `Grammar and wording ${about}.${
          canWrite ? '' : ' You may read here, and so ask and summarize.'}`}</p>
      <form class="inline question" onSubmit={ask}>
        <input name="question" aria-label="A question about the document" maxLength={kQuestionMax}
          autocomplete="off" placeholder="Ask about it" />
        {/* Two buttons: one that became the other while it is clicked would ask again. */}
        {isRunning ? <button key="stop" type="button" onClick={stop}>Stop</button>
          : <button key="ask" type="submit" class="main">Ask</button>}
      </form>
      {error ? <Failure error={error} /> : answer && <Reply answer={answer}
        onInsert={canWrite ? (text) => editor.current?.insert(text) : null}
        onGoOn={canWrite && rest ? () => void begin(answer.task, rest()) : null} />}
    </section>
  )
}
