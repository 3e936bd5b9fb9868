import './browser'

import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import * as Y from 'yjs'

import { askReading, type Reading, ReadingKeeper } from '../../src/document/reading'
import { shownState, statusText } from '../../src/pages/status_pill'

const realFetch = globalThis.fetch
let doc: Y.Doc
let text: Y.Text
let asked: number
let isHidden: boolean
let changes: number
let answer: () => Promise<Reading | null>
let keeper: ReadingKeeper

const markdown = (of: string): Reading => ({ text: of, isProjection: true })
const plain = (of: string): Reading => ({ text: of, isProjection: false })
async function pass(ms: number): Promise<void> {
  for (let at = 0; at <= ms; at += 50) {
    for (let turn = 0; turn < 5; ++turn) await new Promise((done) => setImmediate(done))
    mock.timers.tick(50)
  }
}
// As Tiptap does, in an update of another editor.
function writeRich(words: string): void {
  const other = new Y.Doc()
  Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
  const paragraph = new Y.XmlElement('paragraph')
  const letters = new Y.XmlText()
  letters.insert(0, words)
  paragraph.insert(0, [letters])
  other.getXmlFragment('default').push([paragraph])
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(other))
  other.destroy()
}
function writeElsewhere(write: (other: Y.Doc) => void): void {
  const other = new Y.Doc()
  write(other)
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(other))
  other.destroy()
}
function keep(): void {
  keeper = new ReadingKeeper({
    text, isHidden: () => isHidden, onChange: () => { ++changes },
    ask: () => {
      ++asked
      return answer()
    },
  })
}

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] })
  doc = new Y.Doc()
  text = doc.getText('text')
  asked = changes = 0
  isHidden = false
  answer = () => Promise.resolve(plain(text.toString()))
})
afterEach(() => {
  keeper.close()
  doc.destroy()
  mock.timers.reset()
  globalThis.fetch = realFetch
})

test('a document of the page alone is text, and nobody is asked', async () => {
  keep()
  text.insert(0, 'hello')
  writeElsewhere((other) => { other.getMap('settings').set('tabs', 4) })
  await pass(2_000)
  assert.equal(keeper.place, 'text')
  assert.equal(asked, 0)
})

test('what a rich editor wrote is a reading, and before a node has said so not written into', async () => {
  answer = () => Promise.resolve(null)
  writeRich('Dear all')
  keep()
  assert.equal(keeper.place, 'reading')
  assert.equal(keeper.known, null)
  await pass(1_000)
  assert.equal(keeper.known, null)
  answer = () => Promise.resolve(markdown('Dear all\n'))
  await pass(300)
  assert.deepEqual(keeper.known, markdown('Dear all\n'))
  assert.equal(keeper.place, 'reading')
  assert.ok(changes > 0)
})

test('it follows what is written, and asks no more often than it may', async () => {
  keep()
  answer = () => Promise.resolve(markdown(doc.getXmlFragment('default').toJSON()))
  for (let count = 1; count <= 100; ++count) {
    writeRich(`word${count}`)
    await pass(0)
  }
  assert.ok(asked <= 15, `${asked} questions within 5 s`)
  await pass(1_000)
  assert.match(keeper.known?.text ?? '', /word100</)
  const before = asked
  await pass(5_000)
  assert.equal(asked, before)
})

test('a change while it is asked is asked about, too', async () => {
  let tell: (reading: Reading) => void = () => undefined
  answer = () => new Promise((done) => { tell = done })
  writeRich('one')
  keep()
  await pass(0)
  writeRich('two')
  tell(markdown('one'))
  answer = () => Promise.resolve(markdown('one\n\ntwo'))
  await pass(1_000)
  assert.equal(keeper.known?.text, 'one\n\ntwo')
  assert.equal(asked, 2)
})

test('who is in the middle of a word goes on until the cluster says otherwise', async () => {
  answer = () => Promise.resolve(markdown('and there'))
  keep()
  text.insert(0, 'typed first')
  writeRich('and there')
  assert.equal(keeper.place, 'text')
  await pass(100)
  assert.equal(keeper.place, 'reading')
})

test('where both are, it is what the cluster says, and nothing is written before', async () => {
  text.insert(0, 'typed here')
  writeRich('and there')
  answer = () => Promise.resolve(markdown('and there'))
  keep()
  assert.equal(keeper.place, 'unsure')
  await pass(100)
  assert.equal(keeper.place, 'reading')
  keeper.close()

  answer = () => Promise.resolve(plain('typed here'))
  keep()
  assert.equal(keeper.place, 'unsure')
  await pass(100)
  assert.equal(keeper.place, 'text')
  assert.equal(keeper.known, null)
  // Letters of the page's root count: that does not change any more.
  const before = asked
  writeRich('more')
  await pass(2_000)
  assert.equal(keeper.place, 'text')
  assert.equal(asked, before)
})

test('an answer that is older than what is typed decides nothing', async () => {
  keep()
  text.insert(0, 'typed')
  answer = () => Promise.resolve(plain(''))
  writeElsewhere((other) => { other.getArray('comments').push(['first']) })
  await pass(100)
  assert.equal(keeper.place, 'text')
  answer = () => Promise.resolve(plain('typed'))
  await pass(1_000)
  assert.equal(keeper.place, 'text')
  const before = asked
  text.insert(0, 'more ')
  await pass(1_000)
  assert.equal(asked, before)
})

test('an empty document is text until a rich editor begins it', async () => {
  writeElsewhere((other) => { other.getArray('comments').push(['first']) })
  keep()
  await pass(1_000)
  assert.equal(keeper.place, 'text')
  answer = () => new Promise(() => undefined)
  writeRich('Dear all')
  assert.equal(keeper.place, 'reading')
})

test("another editor's plain text is read, and not written beside", async () => {
  writeElsewhere((other) => other.getText('monaco').insert(0, 'let it = 1'))
  answer = () => Promise.resolve(plain('let it = 1'))
  keep()
  assert.equal(keeper.place, 'reading')
  await pass(100)
  assert.equal(keeper.place, 'reading')
  assert.deepEqual(keeper.known, plain('let it = 1'))
})

test('XML in the very root of the page is a reading', async () => {
  writeElsewhere((other) => other.getXmlFragment('text').push([new Y.XmlElement('paragraph')]))
  answer = () => Promise.resolve(markdown('# Title'))
  keep()
  assert.equal(keeper.place, 'unsure')
  await pass(100)
  assert.equal(keeper.place, 'reading')
})

test('no hidden page asks, and a failure is tried again', async () => {
  isHidden = true
  writeRich('one')
  keep()
  await pass(1_000)
  assert.equal(asked, 0)
  isHidden = false
  answer = () => Promise.reject(new Error('no node'))
  await pass(1_500)
  assert.equal(asked, 1)
  answer = () => Promise.resolve(markdown('one'))
  await pass(2_500)
  assert.equal(keeper.known?.text, 'one')
  keeper.close()
  writeRich('two')
  await pass(1_000)
  assert.equal(asked, 2)
})

test('it is asked of the node that told of the change, and of what it has now', async () => {
  keep()
  let url = ''
  let body = ''
  globalThis.fetch = ((to: string, options: { body: string }) => {
    url = to
    body = options.body
    return Promise.resolve(Response.json({ text: '# A', isProjection: true }))
  }) as typeof fetch
  assert.deepEqual(await askReading('http://n2', '7'), markdown('# A'))
  assert.equal(url, 'http://n2/coterie.v1.DocumentService/GetDocument')
  assert.deepEqual(JSON.parse(body), { document: { id: '7' }, consistency: 'CONSISTENCY_STALE' })
})

test('the status of a reading does not say that anything written here is saved', () => {
  keep()
  const access = { lock: null, hasLocalCopy: true, isReading: true }
  const says = (kind: 'saved' | 'offline') => statusText(
    shownState(kind === 'saved' ? { kind } : { kind, unsaved: 0 }, true), access)
  assert.equal(says('saved'), 'Read-only: edited elsewhere')
  assert.match(says('offline'), /^Offline/)
  assert.equal(statusText(shownState({ kind: 'saved' }, false), { ...access, isReading: false }),
    'Saved on a majority')
  assert.match(statusText(shownState({ kind: 'saved' }, true),
    { ...access, lock: { holder: 'tom', until: 0 } }), /^Read-only: locked by tom/)
})
