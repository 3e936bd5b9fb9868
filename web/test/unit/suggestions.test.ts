import './browser'

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'

import { keepRange, rememberEdit } from '../../src/document/remembered_edits'
import { indexesOf } from '../../src/text/anchors'
import { placeAll, suggestionOf } from '../../src/document/suggestions'

function docWith(content: string): { doc: Y.Doc; text: Y.Text } {
  const doc = new Y.Doc()
  const text = doc.getText('text')
  text.insert(0, content)
  return { doc, text }
}

const anchor = (text: Y.Text, index: number, assoc: number): string => Buffer.from(
  Y.encodeRelativePosition(Y.createRelativePositionFromTypeIndex(text, index, assoc)),
).toString('base64')

// As a node anchors it: outside is what is typed at the edges.
function suggest(text: Y.Text, begin: number, end: number, after: string) {
  const isInsertion = begin === end
  return suggestionOf({
    id: { batch: '5', ordinal: 1 }, before: text.toString().slice(begin, end), after,
    beginAnchor: anchor(text, begin, isInsertion ? -1 : 0), endAnchor: anchor(text, end, -1),
  })
}
const place = (suggestion: ReturnType<typeof suggest>, text: Y.Text) =>
  placeAll([suggestion], text)[0]?.place

test('a suggestion follows its letters, and what is typed at its edges is outside', () => {
  const { text } = docWith('He go home.')
  const suggestion = suggest(text, 3, 5, 'goes')
  text.insert(0, 'Look: ')
  text.insert(9, 'will ')
  text.insert(16, ' straight')

  assert.equal(text.toString(), 'Look: He will go straight home.')
  assert.deepEqual(place(suggestion, text), { begin: 14, end: 16 })
  assert.deepEqual(suggestion.changes, [{ begin: 0, end: 2, inserted: 'goes' }])
})

test('it has no place once its letters are others, whoever changed them', () => {
  const { doc, text } = docWith('He go home.')
  const suggestion = suggest(text, 3, 5, 'goes')
  const other = new Y.Doc()
  Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
  other.getText('text').insert(4, '-')
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(other))
  assert.equal(place(suggestion, text), null)
})

test('letters that were deleted and undone are new ones, as the cluster sees it', () => {
  const { text } = docWith('He go home.')
  const suggestion = suggest(text, 3, 5, 'goes')
  const undo = new Y.UndoManager(text)
  text.delete(3, 2)
  undo.undo()
  assert.equal(text.toString(), 'He go home.')
  assert.equal(place(suggestion, text), null)
})

test('an insertion stays behind what it follows; in an empty text it is at its only place', () => {
  const { text } = docWith('Once.')
  const suggestion = suggest(text, 5, 5, ' Twice.')
  text.insert(0, 'So: ')
  assert.deepEqual(place(suggestion, text), { begin: 9, end: 9 })
  const { text: empty } = docWith('')
  const first = suggestionOf({ id: { batch: '1', ordinal: 1 }, after: 'All.' })
  assert.deepEqual(place(first, empty), { begin: 0, end: 0 })
  empty.insert(0, 'x')
  assert.equal(place(first, empty), null)
})

test('what the cluster calls stale, or sends malformed, has no place', () => {
  const { text } = docWith('He go home.')
  const listed = { id: { batch: '5', ordinal: 1 }, before: 'go', after: 'goes' }
  assert.equal(place(suggestionOf({ ...listed, beginAnchor: 'AAAA', endAnchor: 'AAAA' }), text), null)
  const suggestion = { ...suggest(text, 3, 5, 'goes'), isStale: true }
  assert.equal(place(suggestion, text), null)
})

// A document of a page, and what the cluster makes of it in its name.
function accepted() {
  const { doc, text } = docWith('He go home.')
  const undo = new Y.UndoManager(text, { captureTimeout: 10_000 })
  const cluster = new Y.Doc()
  Y.applyUpdate(cluster, Y.encodeStateAsUpdate(doc))
  keepRange(text, 3, 5)
  const known = Y.encodeStateVector(cluster)
  cluster.transact(() => {
    cluster.getText('text').delete(3, 2)
    cluster.getText('text').insert(3, 'went')
  })
  const update = Y.encodeStateAsUpdate(cluster, known)
  return { doc, text, undo, cluster, update }
}

test('an edit of the cluster is undone and done again as one of one\'s own', () => {
  const { doc, text, undo, update } = accepted()
  Y.applyUpdate(doc, update, 'link')
  rememberEdit(undo, update)
  assert.equal(text.toString(), 'He went home.')
  undo.undo()
  assert.equal(text.toString(), 'He go home.')
  undo.redo()
  assert.equal(text.toString(), 'He went home.')
})

test('what is typed after it, and by others, is a step of its own', () => {
  const { doc, text, undo, update } = accepted()
  Y.applyUpdate(doc, update, 'link')
  rememberEdit(undo, update)
  text.insert(0, 'So ')
  doc.transact(() => text.insert(text.length, '!!'), 'somebody else')
  assert.equal(text.toString(), 'So He went home.!!')
  undo.undo()
  assert.equal(text.toString(), 'He went home.!!')
  undo.undo()
  assert.equal(text.toString(), 'He go home.!!')
})

test('without being kept, what was deleted could not come back', () => {
  const { text, undo, doc, update } = accepted()
  for (let item = text._start; item !== null; item = item.right) item.keep = false
  Y.applyUpdate(doc, update, 'link')
  rememberEdit(undo, update)
  undo.undo()
  assert.notEqual(text.toString(), 'He go home.')
})

test('many anchors are placed in one pass as Yjs places each', () => {
  let seed = 11
  const draw = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (let round = 0; round < 60; ++round) {
    const docs = [new Y.Doc(), new Y.Doc()]
    const anchors: Y.RelativePosition[] = []
    for (let step = 0; step < 60; ++step) {
      const doc = docs[draw(2)] ?? new Y.Doc()
      const text = doc.getText('text')
      const at = draw(text.length + 1)
      if (draw(3) > 0) text.insert(at, 'abcdef'.slice(0, 1 + draw(6)))
      else text.delete(at, Math.min(text.length - at, draw(5)))
      anchors.push(Y.createRelativePositionFromTypeIndex(
        text, draw(text.length + 1), draw(2) === 0 ? 0 : -1))
      if (draw(4) > 0) continue
      const [one, two] = docs as [Y.Doc, Y.Doc]
      Y.applyUpdate(one, Y.encodeStateAsUpdate(two))
      Y.applyUpdate(two, Y.encodeStateAsUpdate(one))
    }
    const doc = docs[0] as Y.Doc // It lacks what the other one wrote last.
    const expected = anchors.map((each) =>
      Y.createAbsolutePositionFromRelativePosition(each, doc, false)?.index ?? null)
    assert.deepEqual(indexesOf(doc.getText('text'), anchors), expected)
  }
})
