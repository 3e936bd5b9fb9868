import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { peopleIn } from '../../src/document/people'

// Everything in an awareness was typed by somebody else.
function awarenessOf(states: Record<number, unknown>): Awareness {
  const doc = new Y.Doc()
  doc.clientID = 5
  const awareness = new Awareness(doc)
  clearInterval((awareness as unknown as { _checkInterval: ReturnType<typeof setInterval> })
    ._checkInterval)
  awareness.states.clear()
  for (const [client, state] of Object.entries(states)) {
    awareness.states.set(Number(client), state as Record<string, unknown>)
  }
  return awareness
}
const namesIn = (states: Record<number, unknown>) =>
  peopleIn(awarenessOf(states)).map(({ name }) => name)

test('people are listed by their clients, and one knows oneself', () => {
  const cursor = { anchor: { tname: 'text' }, head: null }
  assert.deepEqual(peopleIn(awarenessOf({ 9: { user: { name: 'tom' } },
    5: { user: { name: 'mia' }, cursor } })), [
    { client: 5, name: 'mia', isSelf: true, isAssistant: false, cursor },
    { client: 9, name: 'tom', isSelf: false, isAssistant: false, cursor: null },
  ])
})

test("the node's word for who somebody is counts, not the peer's", () => {
  assert.deepEqual(namesIn({ 1: { 'coterie.user': 'tom', user: { name: 'the owner' } } }), ['tom'])
  assert.deepEqual(namesIn({ 1: { coterie: { user: 'tom' }, user: { name: 'mia' } } }), ['tom'])
})

test('the model at work is named by whom the node says it works for', () => {
  const state = { 'coterie.user': 'tom', user: { name: 'AI for mia' }, assistant: true }
  assert.deepEqual(namesIn({ 1: state }), ['AI for tom'])
})

test('the node itself is nobody', () => {
  assert.deepEqual(namesIn({ 0: { coterie: { readOnly: true } } }), [])
})

test('whatever a state is made of, it is shown as somebody', () => {
  for (const state of [{}, { user: 'tom' }, { user: { name: 7 } }, { user: null, cursor: 'x' },
    { coterie: [], user: { name: { toString: 'x' } } }]) {
    const [person] = peopleIn(awarenessOf({ 3: state }))
    assert.equal(person?.name, 'somebody')
    assert.equal(person.cursor, null)
  }
})
