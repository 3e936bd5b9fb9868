// The editor: CodeMirror on the shared text. It lives in a shadow root, because CodeMirror then
// brings its styles as constructed sheets; <style> elements are what the page's policy refuses.
import { defaultKeymap } from '@codemirror/commands'
import {
  defineLanguageFacet, HighlightStyle, Language, syntaxHighlighting,
} from '@codemirror/language'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Text, Transaction } from '@codemirror/state'
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { GFM, parser } from '@lezer/markdown'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { carets } from './carets'
import { allColors } from '../document/colors'
import { continueMarkup, format, type Format } from './formatting'
import { keepRange, rememberEdit } from '../document/remembered_edits'
import { settings, subscribe } from '../browser/settings'
import { suggestionMarks, type SuggestionSource } from './suggestion_marks'

const markdown = new Language(
  defineLanguageFacet({ commentTokens: { block: { open: '<!--', close: '-->' } } }),
  parser.configure(GFM), [], 'markdown')

const highlight = HighlightStyle.define([
  { tag: tags.heading1, fontSize: '1.5em', fontWeight: '700' },
  { tag: tags.heading2, fontSize: '1.25em', fontWeight: '700' },
  { tag: tags.heading, fontWeight: '700' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.strikethrough, textDecoration: 'line-through' },
  { tag: tags.link, color: 'var(--accent)' },
  { tag: tags.url, color: 'var(--accent)' },
  { tag: tags.monospace, fontFamily: 'var(--mono)', fontSize: '0.92em' },
  { tag: tags.quote, color: 'var(--muted)' },
  { tag: tags.processingInstruction, color: 'var(--muted)' },
])

const kInsertedBytesMax = 16 << 20 // A node reads messages of that, and some more.

const bytesOf = (text: Text): number => {
  const encoder = new TextEncoder()
  let bytes = text.lines - 1
  for (const line of text.iterLines()) bytes += encoder.encode(line).length
  return bytes
}

// A node would end the connection instead, again and again.
const limitInsertions = (onRefused: (message: string) => void) =>
  EditorState.transactionFilter.of((transaction) => {
    if (transaction.annotation(Transaction.userEvent) === undefined) return transaction
    let bytes = 0
    transaction.changes.iterChanges((_a, _b, _c, _d, text) => { bytes += bytesOf(text) })
    if (bytes <= kInsertedBytesMax) return transaction
    onRefused(`That is ${Math.ceil(bytes / (1 << 20))} MiB. At once at most ${
      kInsertedBytesMax >> 20} MiB can be inserted.`)
    return []
  })

const peerRules = Object.fromEntries(
  allColors().map((color, index) => [`.peer-${index}`, { '--peer': color }]))

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', fontSize: 'var(--text-size)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--prose)', lineHeight: '1.6', overflow: 'auto' },
  '.cm-content': {
    maxWidth: '68ch', margin: '0 auto', padding: '24px 20px 40vh', caretColor: 'var(--text)',
  },
  '.cm-line': { padding: '0' },
  '.cm-cursor': { borderLeftColor: 'var(--text)', borderLeftWidth: '2px' },
  '.cm-selectionBackground': { background: 'var(--selection)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
    background: 'var(--selection)',
  },
  '.cm-placeholder': { color: 'var(--muted)' },
  '.cm-panels': { background: 'var(--panel)', color: 'var(--text)' },
  '.cm-searchMatch': { background: 'var(--match)' },
  ...peerRules,
  '.peer-selection': { background: 'color-mix(in srgb, var(--peer) 28%, transparent)' },
  '.peer-caret': {
    position: 'relative', borderLeft: '2px solid var(--peer)', marginLeft: '-1px',
    marginRight: '-1px',
  },
  '.peer-label': {
    position: 'absolute', top: '-1.35em', left: '-2px', padding: '0 5px', fontSize: '11px',
    lineHeight: '1.45', fontFamily: 'var(--ui)', fontWeight: '600', fontStyle: 'normal',
    whiteSpace: 'nowrap', color: '#fff', background: 'var(--peer)',
    borderRadius: '4px 4px 4px 0', pointerEvents: 'none', zIndex: '5',
  },
})

export interface Editor {
  setReadOnly(isReadOnly: boolean): void
  // What is there now stays in memory when it is deleted: it may be undone.
  keep(begin: number, end: number): void
  // An edit that the cluster made for who writes here: undone as one's own.
  remember(update: Uint8Array): void
  select(begin: number, end: number): void
  // Null when nothing is selected.
  selection(): { begin: number; end: number } | null
  // Where the letter that is at `place` is later.
  follow(place: number): () => number
  // In place of what is selected, as if it were typed.
  insert(inserted: string): void
  format(what: Format): void
  undo(): void
  redo(): void
  focus(): void
  destroy(): void
}

export interface EditorOptions {
  host: HTMLElement
  text: Y.Text
  awareness: Awareness
  suggestions: SuggestionSource
  // What was to be inserted is not.
  onRefused: (message: string) => void
}

export function createEditor({ host, text, awareness, suggestions, onRefused }: EditorOptions):
    Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' })
  const undoManager = new Y.UndoManager(text)
  const access = new Compartment()
  const accessFor = (isReadOnly: boolean) => [
    EditorState.readOnly.of(isReadOnly),
    EditorView.contentAttributes.of({ 'aria-readonly': String(isReadOnly) }),
    placeholder(isReadOnly ? 'Nothing is written here yet.' : 'Write…'),
  ]
  const looks = new Compartment()
  const looksNow = () => [
    EditorView.contentAttributes.of({ spellcheck: String(settings().hasSpellcheck) }),
    settings().showsSuggestions ? suggestionMarks(suggestions) : [],
  ]
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        keymap.of([{ key: 'Enter', run: continueMarkup }, ...yUndoManagerKeymap, ...searchKeymap,
          ...defaultKeymap]),
        search({ top: true }),
        highlightSelectionMatches(),
        drawSelection(),
        limitInsertions(onRefused),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({
          'aria-label': 'Text of the document', autocapitalize: 'sentences', tabindex: '0',
        }),
        access.of(accessFor(true)),
        markdown,
        syntaxHighlighting(highlight),
        theme,
        yCollab(text, null, { undoManager }),
        carets(text, awareness),
        looks.of(looksNow()),
      ],
    }),
  })
  const unsubscribe = subscribe(() => view.dispatch({ effects: looks.reconfigure(looksNow()) }))
  let wasReadOnly = true
  return {
    setReadOnly(isReadOnly) {
      if (isReadOnly === wasReadOnly) return
      wasReadOnly = isReadOnly
      view.dispatch({ effects: access.reconfigure(accessFor(isReadOnly)) })
    },
    keep: (begin, end) => keepRange(text, begin, end),
    remember: (update) => rememberEdit(undoManager, update),
    select(begin, end) {
      view.dispatch({ selection: { anchor: begin, head: end }, scrollIntoView: true })
      view.focus()
    },
    selection() {
      const { from, to } = view.state.selection.main
      return from < to ? { begin: from, end: to } : null
    },
    follow(place) {
      const at = Y.createRelativePositionFromTypeIndex(text, Math.min(place, text.length))
      return () => {
        const now = text.doc && Y.createAbsolutePositionFromRelativePosition(at, text.doc)
        return now?.index ?? text.length
      }
    },
    insert(inserted) {
      view.dispatch(view.state.replaceSelection(inserted),
        { userEvent: 'input.paste', scrollIntoView: true })
      view.focus()
    },
    format(what) {
      format(what)(view)
      view.focus()
    },
    undo: () => void undoManager.undo(),
    redo: () => void undoManager.redo(),
    focus: () => view.focus(),
    destroy() {
      unsubscribe()
      view.destroy()
      undoManager.destroy()
    },
  }
}
