// Suggestions in the text: what would go is struck, what would come is underlined, and the one at
// the caret has a card that says whose it is, why, and takes the decision.
import {
  EditorState, type Extension, Prec, RangeSetBuilder, StateEffect, StateField,
} from '@codemirror/state'
import {
  type Command, Decoration, type DecorationSet, EditorView, keymap, showTooltip, type Tooltip,
  type TooltipView,
  ViewPlugin, type ViewUpdate, WidgetType,
} from '@codemirror/view'

import { announce } from '../browser/announce'
import type { Decision, Placed, Suggestion } from '../document/suggestions'

export interface SuggestionSource {
  placed(): Placed[]
  subscribe(listener: () => void): () => void
  decide(suggestion: Suggestion, decision: Decision): void
}

interface Marked { suggestion: Suggestion; begin: number; end: number }
interface Shown { marked: readonly Marked[]; decorations: DecorationSet }

const kShownMax = 4_000 // Characters of one insertion.
const kPlaceAgainMs = 80

const show = StateEffect.define<Marked[]>()

class Inserted extends WidgetType {
  constructor(private readonly key: string, private readonly text: string) {
    super()
  }
  override eq(other: Inserted): boolean {
    return other.key === this.key && other.text === this.text
  }
  override toDOM(): HTMLElement {
    const inserted = document.createElement('ins')
    inserted.className = 'suggestion-ins'
    inserted.dataset.suggestion = this.key
    const rest = this.text.length - kShownMax
    inserted.textContent = rest > 0
      ? `${this.text.slice(0, kShownMax)}… (${rest.toLocaleString()} more characters)` : this.text
    return inserted
  }
  override ignoreEvent(): boolean {
    return false
  }
}

function decorationsOf(marked: readonly Marked[], length: number): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>()
  let last = 0
  for (const { suggestion, begin, end } of marked) {
    if (begin < last || end > length) continue // Over another one: it is in the list alone.
    last = end
    for (const change of suggestion.changes) {
      const deletedEnd = begin + change.end
      if (change.end > change.begin) {
        builder.add(begin + change.begin, deletedEnd, Decoration.mark({
          tagName: 'del', class: 'suggestion-del', attributes: {
            'data-suggestion': suggestion.key },
        }))
      }
      if (change.inserted === '') continue
      builder.add(deletedEnd, deletedEnd, Decoration.widget({
        widget: new Inserted(suggestion.key, change.inserted), side: 1 }))
    }
  }
  return builder.finish()
}

const shownSuggestions = StateField.define<Shown>({
  create: () => ({ marked: [], decorations: Decoration.none }),
  update(shown, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(show)) continue
      return { marked: effect.value,
        decorations: decorationsOf(effect.value, transaction.newDoc.length) }
    }
    if (!transaction.docChanged || shown.marked.length === 0) return shown
    // Until they are placed anew, they move with the text.
    const { changes } = transaction
    const marked = shown.marked.map(({ suggestion, begin, end }) => {
      const moved = changes.mapPos(begin, suggestion.before === '' ? -1 : 1)
      return { suggestion, begin: moved, end: Math.max(moved, changes.mapPos(end, -1)) }
    })
    return { marked, decorations: shown.decorations.map(changes) }
  },
  provide: (field) => EditorView.decorations.from(field, (shown) => shown.decorations),
})

function suggestionAt(state: EditorState): Marked | null {
  const { from, to } = state.selection.main
  const { marked } = state.field(shownSuggestions)
  return marked.find(({ begin, end }) => begin <= to && from <= end) ?? null
}

const quote = (text: string): string => `“${text.length > 60 ? `${text.slice(0, 60)}…` : text}”`

// In words, for who does not see the difference.
export function describe({ before, changes }: Suggestion): string {
  return changes.map(({ begin, end, inserted }) => {
    if (begin === end) return `insert ${quote(inserted)}`
    const deleted = quote(before.slice(begin, end))
    return inserted === '' ? `delete ${deleted}` : `replace ${deleted} by ${quote(inserted)}`
  }).join(', ')
}

function button(label: string, keys: string, run: (event: MouseEvent) => void):
    HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = label
  made.title = keys
  made.onclick = run
  made.onmousedown = (event) => event.preventDefault() // The text keeps the focus.
  return made
}

// In the card of a suggestion: decides, and goes on to the card of the next one, or to the text.
function decideAndGoOn(view: EditorView, source: SuggestionSource, suggestion: Suggestion,
    decision: Decision): void {
  source.decide(suggestion, decision)
  const { marked } = view.state.field(shownSuggestions)
  if (marked.every((each) => each.suggestion === suggestion)) view.focus()
  else go(1)(view) // The card of that one takes the focus.
}

// A card is made anew when anything about suggestions changes; the focus goes on to the new one.
function createCard(marked: Marked, source: SuggestionSource, view: EditorView): TooltipView {
  const dom = cardOf(marked, source, view)
  const hadFocus = Boolean(view.root.activeElement?.closest('.suggestion-card'))
  return {
    dom,
    mount: () => { if (hadFocus) dom.querySelector('button')?.focus({ preventScroll: true }) },
  }
}

function cardOf({ suggestion }: Marked, source: SuggestionSource, view: EditorView): HTMLElement {
  const card = document.createElement('div')
  card.className = 'suggestion-card'
  card.setAttribute('role', 'group')
  card.setAttribute('aria-label', `Suggestion of ${suggestion.author}`)
  const author = document.createElement('strong')
  author.textContent = suggestion.author
  const why = document.createElement('span')
  why.className = 'suggestion-why'
  why.textContent = suggestion.why || suggestion.kind
  card.append(author, why)
  if (view.state.readOnly) return card
  card.onkeydown = (event) => {
    if (event.key === 'Escape') view.focus()
    else if (event.key === 'Backspace' || event.key === 'Delete') {
      decideAndGoOn(view, source, suggestion, 'reject')
    } else return
    event.preventDefault()
    event.stopPropagation()
  }
  const decide = (decision: Decision) => (event: MouseEvent) => {
    // A key's click: the focus is in the card, and stays with the suggestions.
    if (event.detail === 0) decideAndGoOn(view, source, suggestion, decision)
    else source.decide(suggestion, decision)
  }
  const actions = document.createElement('span')
  actions.className = 'suggestion-actions'
  actions.append(
    button('Accept', 'Ctrl Enter; here Enter', decide('accept')),
    button('Reject', 'Ctrl Shift Enter; here Backspace', decide('reject')))
  card.append(actions)
  return card
}

function tooltipFor(state: EditorState, source: SuggestionSource): Tooltip | null {
  const marked = suggestionAt(state)
  if (marked === null) return null
  return {
    pos: marked.begin, above: false, arrow: false,
    create: (view) => createCard(marked, source, view),
  }
}

// Selects the next one behind the caret (or before it), round the text.
const go = (step: 1 | -1): Command => (view) => {
  const { marked } = view.state.field(shownSuggestions)
  if (marked.length === 0) return false
  const at = view.state.selection.main.head
  const current = suggestionAt(view.state)
  const behind = marked.filter((each) => each !== current &&
    (step === 1 ? each.begin >= at : each.begin < at))
  const next = (step === 1 ? behind[0] ?? marked[0] : behind.at(-1) ?? marked.at(-1))
  if (!next) return false
  view.dispatch({ selection: { anchor: next.begin }, scrollIntoView: true })
  const number = marked.indexOf(next) + 1
  announce(`Suggestion ${number} of ${marked.length}, ${next.suggestion.author}: ` +
    describe(next.suggestion))
  return true
}

const decideHere = (source: SuggestionSource, decision: Decision): Command => (view) => {
  const marked = suggestionAt(view.state)
  if (marked === null || view.state.readOnly) return false
  source.decide(marked.suggestion, decision)
  go(1)(view)
  return true
}

const theme = EditorView.theme({
  '.suggestion-del': {
    color: 'var(--bad)', textDecoration: 'line-through',
    background: 'color-mix(in srgb, var(--bad) 12%, transparent)',
  },
  '.suggestion-ins': {
    color: 'var(--good)', textDecoration: 'underline', whiteSpace: 'pre-wrap', cursor: 'pointer',
    background: 'color-mix(in srgb, var(--good) 12%, transparent)',
  },
  '.cm-tooltip': {
    border: '1px solid var(--edge)', borderRadius: '8px', background: 'var(--panel)',
    color: 'var(--text)', boxShadow: '0 4px 16px rgb(0 0 0 / 0.18)',
  },
  '.suggestion-card': {
    display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '4px 12px', padding: '8px 12px',
    maxWidth: 'min(420px, 92vw)', fontFamily: 'var(--ui)', fontSize: '14px', lineHeight: '1.4',
  },
  '.suggestion-why': { color: 'var(--muted)' },
  '.suggestion-actions': { display: 'flex', gap: '8px', marginLeft: 'auto' },
  '.suggestion-card button': {
    font: 'inherit', color: 'inherit', background: 'none', border: '1px solid var(--edge)',
    borderRadius: '8px', padding: '3px 10px', minHeight: '28px', cursor: 'pointer',
  },
  '.suggestion-card button:hover': { borderColor: 'var(--accent)' },
  '.suggestion-card button:focus-visible': {
    outline: '2px solid var(--accent)', outlineOffset: '2px',
  },
})

export function suggestionMarks(source: SuggestionSource): Extension {
  const placer = ViewPlugin.fromClass(class {
    private timer = 0
    private readonly unsubscribe = source.subscribe(() => this.later(0))
    constructor(private readonly view: EditorView) {
      this.later(0)
    }
    private later(delayMs: number): void {
      if (this.timer !== 0) return
      this.timer = window.setTimeout(() => {
        this.timer = 0
        this.place()
      }, delayMs)
    }
    private place(): void {
      const marked: Marked[] = []
      for (const { suggestion, place } of source.placed()) {
        if (place) marked.push({ suggestion, ...place })
      }
      const shown = this.view.state.field(shownSuggestions).marked
      if (marked.length > 0 || shown.length > 0) {
        this.view.dispatch({ effects: show.of(marked) })
      }
    }
    update(update: ViewUpdate): void {
      // The document may have lost or got back the letters that one is about.
      if (update.docChanged) this.later(kPlaceAgainMs)
    }
    destroy(): void {
      clearTimeout(this.timer)
      this.unsubscribe()
    }
  })
  return [
    shownSuggestions,
    placer,
    theme,
    showTooltip.compute([shownSuggestions, 'selection', EditorState.readOnly],
      (state) => tooltipFor(state, source)),
    EditorView.domEventHandlers({
      mousedown(event, view) {
        const { target } = event
        const hit = target instanceof Element ? target.closest('.suggestion-ins') : null
        const key = hit instanceof HTMLElement ? hit.dataset.suggestion : undefined
        const marked = view.state.field(shownSuggestions).marked
          .find(({ suggestion }) => suggestion.key === key)
        if (!marked) return false
        view.dispatch({ selection: { anchor: marked.end } })
        view.focus()
        return true
      },
    }),
    Prec.high(keymap.of([
      { key: 'F8', run: go(1), shift: go(-1) },
      { key: 'Mod-Enter', run: decideHere(source, 'accept'),
        shift: decideHere(source, 'reject') },
    ])),
  ]
}
