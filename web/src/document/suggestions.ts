// The suggestions for one open document: those of the cluster's state, placed by their anchors in
// the text as it is here, edits that are on their way included.
import * as Y from 'yjs'

import { indexesOf } from '../text/anchors'
import { call, change } from '../cluster/api'
import { stream } from '../cluster/stream'
import { type WordChange, wordChanges } from '../text/word_changes'

export interface SuggestionId { batch: string; ordinal: number }
export type Decision = 'accept' | 'reject'

// As coterie.v1.Suggestion is in JSON: what is empty is left out.
export interface ListedSuggestion {
  id: { batch?: string; ordinal?: number }
  kind?: string
  user?: string
  author?: string
  model?: string
  createdAtMs?: string
  isStale?: boolean
  before?: string
  after?: string
  why?: string
  beginAnchor?: string
  endAnchor?: string
}

export interface Suggestion {
  key: string // "118.2", as the command line has it.
  id: SuggestionId
  kind: string
  author: string
  why: string
  before: string
  after: string
  changes: WordChange[]
  begin: Y.RelativePosition | null
  end: Y.RelativePosition | null
  isStale: boolean // As the cluster sees it.
}

export interface Place { begin: number; end: number }

const kKinds: Record<string, string> = {
  SUGGESTION_KIND_GRAMMAR: 'grammar', SUGGESTION_KIND_ENHANCE: 'wording',
  SUGGESTION_KIND_CONTINUE: 'continuation',
}

function anchorOf(base64: string | undefined): Y.RelativePosition | null {
  if (!base64) return null
  try {
    return Y.decodeRelativePosition(
      Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)))
  } catch {
    return null
  }
}

export function suggestionOf(listed: ListedSuggestion): Suggestion {
  const id = { batch: listed.id.batch ?? '0', ordinal: listed.id.ordinal ?? 0 }
  const before = listed.before ?? ''
  const after = listed.after ?? ''
  return {
    key: `${id.batch}.${id.ordinal}`, id, before, after,
    kind: kKinds[listed.kind ?? ''] ?? 'change',
    author: listed.author ?? 'somebody', why: listed.why ?? '',
    changes: wordChanges(before, after),
    begin: anchorOf(listed.beginAnchor), end: anchorOf(listed.endAnchor),
    isStale: listed.isStale ?? false,
  }
}

export interface Placed { suggestion: Suggestion; place: Place | null }

// Where each is now; null when the letters that it is about are not there (any more).
export function placeAll(suggestions: readonly Suggestion[], text: Y.Text): Placed[] {
  const indexes = indexesOf(text, suggestions.flatMap(({ begin, end, before }) =>
    [begin, before === '' ? begin : end]))
  const content = text.toString()
  return suggestions.map((suggestion, i) => {
    const begin = indexes[2 * i] ?? null
    const end = indexes[2 * i + 1] ?? null
    const fits = !suggestion.isStale && begin !== null && end !== null && begin <= end &&
      content.slice(begin, end) === suggestion.before
    return { suggestion, place: fits ? { begin, end } : null }
  })
}

export interface SuggestionsOptions {
  id: string // Of the document.
  text: Y.Text
  onChange: () => void
}

const kAgainMs = 250
const kEditWaitMs = 3_000

export class Suggestions {
  private items: Suggestion[] = []
  private readonly listeners = new Set<() => void>()
  private wanted = 0n // They are to be those of at least this revision.
  private isLoading = false
  private isClosed = false

  private known: Placed[] | null = null // As long as neither they nor the text change.

  constructor(private readonly options: SuggestionsOptions) {
    options.text.observe(this.onText)
  }
  private readonly onText = () => { this.known = null }

  get all(): readonly Suggestion[] { return this.items }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  // Placed in the text as it is now, in its order; those without a place last.
  placed(): Placed[] {
    if (this.known) return this.known
    const order = ({ place }: Placed) => place?.begin ?? Number.MAX_SAFE_INTEGER
    this.known = placeAll(this.items, this.options.text).sort((a, b) => order(a) - order(b))
    return this.known
  }

  // What is there as of `revision`, or later. Without an answer they stay as they are: the link
  // asks again when it has found another node.
  async load(revision: string): Promise<void> {
    const asked = BigInt(revision)
    if (asked > this.wanted) this.wanted = asked
    if (this.isLoading) return
    this.isLoading = true
    try {
      let known: bigint
      do known = await this.loadOnce()
      while (!this.isClosed && known < this.wanted)
    } catch {
      // As above.
    }
    this.isLoading = false
  }

  private async loadOnce(): Promise<bigint> {
    const answer = await call<{ suggestions?: ListedSuggestion[]; revision?: string }>(
      'AssistService/ListSuggestions',
      { document: { id: this.options.id }, consistency: 'CONSISTENCY_STALE' })
    const known = BigInt(answer.revision ?? '0')
    if (this.isClosed) return known
    if (known < this.wanted) {
      await new Promise((done) => setTimeout(done, kAgainMs)) // That node is a little behind.
      return known
    }
    this.items = (answer.suggestions ?? []).map(suggestionOf)
    this.tell()
    return known
  }

  // All of one answer if the ordinal is 0. The revision at which it happened.
  async decide(id: SuggestionId, decision: Decision): Promise<string> {
    const answer = await change<{ revision?: string }>('AssistService/ResolveSuggestion', {
      document: { id: this.options.id }, suggestion: id,
      decision: decision === 'accept' ? 'DECISION_ACCEPT' : 'DECISION_REJECT',
    })
    const isResolved = (each: Suggestion) => each.id.batch === id.batch &&
      (id.ordinal === 0 || each.id.ordinal === id.ordinal)
    this.items = this.items.filter((each) => !isResolved(each))
    this.tell()
    return answer.revision ?? '0'
  }

  // What the cluster changed in the document at that revision, as a Yjs update; null when it does
  // not say in time.
  async editAt(revision: string): Promise<Uint8Array | null> {
    const request = { afterRevision: String(BigInt(revision) - 1n), withUpdates: true,
      documents: [{ id: this.options.id }] }
    const batches = stream<{ revision?: string; events?: { documentChanged?:
      { update?: string } }[] }>('EventService/Subscribe', request,
        AbortSignal.timeout(kEditWaitMs))
    for await (const batch of batches) {
      if (BigInt(batch.revision ?? '0') < BigInt(revision)) continue
      if (batch.revision !== revision) return null
      const changed = batch.events?.find((event) => event.documentChanged?.update)
      const update = changed?.documentChanged?.update
      return update ? Uint8Array.from(atob(update), (letter) => letter.charCodeAt(0)) : null
    }
    return null
  }

  close(): void {
    this.isClosed = true
    this.options.text.unobserve(this.onText)
    this.listeners.clear()
  }

  private tell(): void {
    this.known = null
    for (const listener of this.listeners) listener()
    this.options.onChange()
  }
}
