import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineLanguageFacet, Language } from '@codemirror/language'
import { EditorState } from '@codemirror/state'
import { GFM, parser } from '@lezer/markdown'

import { continueMarkup, format, type Format } from '../../src/editor/formatting'

const markdown = new Language(defineLanguageFacet(), parser.configure(GFM), [], 'markdown')

// `[` and `]` are the ends of what is selected, `|` a caret.
function stateOf(marked: string, isReadOnly = false): EditorState {
  const anchor = marked.search(/[[|]/)
  const head = marked.includes(']') ? marked.indexOf(']') - 1 : anchor
  return EditorState.create({
    doc: marked.replace(/[[\]|]/g, ''), selection: { anchor, head },
    extensions: [markdown, EditorState.readOnly.of(isReadOnly)],
  })
}
function marked({ doc, selection: { main } }: EditorState): string {
  const text = doc.toString()
  if (main.empty) return `${text.slice(0, main.from)}|${text.slice(main.from)}`
  return `${text.slice(0, main.from)}[${text.slice(main.from, main.to)}]${text.slice(main.to)}`
}
function after(before: string, command: typeof continueMarkup): string {
  let state = stateOf(before)
  command({ state, dispatch: (transaction) => { state = transaction.state } })
  return marked(state)
}
const formatted = (before: string, what: Format) => after(before, format(what))

test('signs around what is selected come and go', () => {
  assert.equal(formatted('a [word] b', 'bold'), 'a **[word]** b')
  assert.equal(formatted('a **[word]** b', 'bold'), 'a [word] b')
  assert.equal(formatted('a **[word]** b', 'italic'), 'a ***[word]*** b')
  assert.equal(formatted('a ***[word]*** b', 'italic'), 'a **[word]** b')
  assert.equal(formatted('a ***[word]*** b', 'bold'), 'a *[word]* b')
  assert.equal(formatted('a *[word]* b', 'italic'), 'a [word] b')
  assert.equal(formatted('|', 'code'), '`|`')
  assert.equal(formatted('`|`', 'code'), '|')
})

test('what is selected becomes the name of a link', () => {
  const named = after('a [name] b', format('link'))
  assert.equal(named.replace(/[[\]|]/g, ''), 'a name() b')
  let state = stateOf('a |')
  format('link')({ state, dispatch: (transaction) => { state = transaction.state } })
  assert.equal(state.doc.toString(), 'a []()')
  assert.equal(state.selection.main.head, 3)
})

test('signs before lines come, change and go', () => {
  assert.equal(formatted('one|', 'heading'), '# one|')
  assert.equal(formatted('# one|', 'heading'), '## one|')
  assert.equal(formatted('### one|', 'heading'), 'one|')
  assert.equal(formatted('[one\n\ntwo]', 'bullets'), '- [one\n\n- two]')
  assert.equal(formatted('[- one\n- two]', 'numbers'), '[1. one\n2. two]')
  assert.equal(formatted('  - one|', 'tasks'), '  - [ ] one|')
  assert.equal(formatted('|', 'quote'), '> |')
})

test('Enter goes on with a list or quotation, and ends it in an empty line of it', () => {
  const enter = (before: string) => after(before, continueMarkup)
  assert.equal(enter('- one|'), '- one\n- |')
  assert.equal(enter('  9. one| two'), '  9. one\n  10. | two')
  assert.equal(enter('> said|'), '> said\n> |')
  assert.equal(enter('- one\n- |'), '- one\n|')
  assert.equal(enter('|- one'), '|- one', 'before the sign it is a new line as any')
  assert.equal(enter('just text|'), 'just text|')
  assert.equal(enter('```\n- code|\n```'), '```\n- code|\n```')
})

test('nothing is changed that may only be read', () => {
  const state = stateOf('- one|', true)
  const dispatch = () => { assert.fail() }
  assert.equal(format('bold')({ state, dispatch }), false)
  assert.equal(continueMarkup({ state, dispatch }), false)
})
