// A language model at work on the document, through coterie.v1.AssistService.
import { stream } from '../cluster/stream'

export type Tone = 'clearer' | 'shorter' | 'formal' | 'friendly'
export type Task =
  | { kind: 'grammar' }
  | { kind: 'enhance'; tone: Tone }
  | { kind: 'instruct'; instruction: string }
  | { kind: 'continue' }
  | { kind: 'summarize' }
  | { kind: 'ask'; question: string }

// In UTF-16 units of the text; the end 0 is that of the text.
export interface TextRange { begin: number; end: number }

export interface AssistEvent {
  started?: { model?: string; revision?: string }
  text?: string
  progress?: { done?: number; known?: number }
  queued?: { place?: number }
  loading?: { percent?: number }
  reading?: { percent?: number }
  finished?: {
    batch?: string; suggestions?: number; dropped?: number; cutOff?: string
    passagesCut?: number; outdated?: number; resumeAt?: string; whyStopped?: string
  }
}

// What the answer waits for: who is before it, the model being loaded, its own text being read.
export type Waiting =
  | { for: 'place'; place: number }
  | { for: 'model' | 'reading'; percent: number }

// What has come of a task so far.
export interface Answer {
  task: Task
  state: 'running' | 'done' | 'stopped' | 'failed'
  text: string
  model: string
  done: number // Of a task that asks the model more than once.
  known: number
  waiting: Waiting | null
  suggestions: number
  dropped: number
  resumeAt: number | null // It ended before the end of the text: where the rest begins.
  notes: string[] // What one should know of how it ended.
}

export const newAnswer = (task: Task): Answer => ({
  task, state: 'running', text: '', model: '', done: 0, known: 0, waiting: null, suggestions: 0,
  dropped: 0, resumeAt: null, notes: [],
})

const kCutOff: Record<string, string> = {
  CUT_OFF_MAX_TOKENS: 'Cut off: the answer has as many tokens as it may have.',
  CUT_OFF_CONTEXT: 'Cut off: the text leaves the model no room for more. Ask about a part of it.',
  CUT_OFF_SUGGESTION: 'Cut off: a suggestion holds no more.',
}

function notesOf(finished: NonNullable<AssistEvent['finished']>): string[] {
  const { cutOff = '', passagesCut = 0, outdated = 0, resumeAt = '0', whyStopped = '' } = finished
  return [
    kCutOff[cutOff] ?? '',
    passagesCut > 0 ? `Nothing for ${passagesCut} passages: the answers were cut off.` : '',
    outdated > 0 ? `${outdated} no longer fitted the text.` : '',
    resumeAt !== '0' ? whyStopped : '',
  ].filter((note) => note !== '')
}

// Only what is waited for now counts: any other event ends it.
function waitingOf({ queued, loading, reading }: AssistEvent): Waiting | null {
  if (queued) return { for: 'place', place: queued.place ?? 1 }
  if (loading) return { for: 'model', percent: loading.percent ?? 0 }
  if (reading) return { for: 'reading', percent: reading.percent ?? 0 }
  return null
}

// Nothing has come of a task yet that another node's answer could not begin anew.
export const isOnlyWaiting = (event: AssistEvent): boolean => waitingOf(event) !== null

export function wordsFor(waiting: Waiting): string {
  switch (waiting.for) {
    case 'place':
      return waiting.place === 1 ? 'Waiting: next in the queue'
        : `Waiting: place ${waiting.place} in the queue`
    case 'model':
      return `The model is being loaded: ${waiting.percent} %`
    case 'reading':
      return `The model reads the text: ${waiting.percent} %`
  }
}

export function heard(answer: Answer, event: AssistEvent): Answer {
  const { started, text = '', progress, finished } = event
  return {
    ...answer,
    state: finished ? 'done' : answer.state,
    text: answer.text + text,
    model: started?.model ?? answer.model,
    done: progress?.done ?? answer.done,
    known: progress?.known ?? answer.known,
    waiting: waitingOf(event),
    suggestions: finished?.suggestions ?? answer.suggestions,
    dropped: finished?.dropped ?? answer.dropped,
    resumeAt: Number(finished?.resumeAt ?? 0) || null,
    notes: finished ? notesOf(finished) : answer.notes,
  }
}

// Its method and what is asked of it. Only of a passage if there is a range.
export function requestOf(task: Task, id: string, range: TextRange | null): [string, object] {
  const document = { id }
  const part = range ? { range: { begin: String(range.begin), end: String(range.end) } } : {}
  switch (task.kind) {
    case 'grammar':
      return ['Grammar', { document, ...part }]
    case 'enhance':
      return ['Enhance', { document, tone: `TONE_${task.tone.toUpperCase()}`, ...part }]
    case 'instruct':
      return ['Enhance', { document, instruction: task.instruction, ...part }]
    case 'continue':
      return ['Continue', { document }]
    case 'summarize':
      return ['Summarize', { document }]
    case 'ask':
      return ['Ask', { document, question: task.question }]
  }
}

export function run(task: Task, id: string, range: TextRange | null, signal: AbortSignal):
    AsyncGenerator<AssistEvent> {
  const [method, request] = requestOf(task, id, range)
  return stream<AssistEvent>(`AssistService/${method}`, request, signal, isOnlyWaiting)
}
