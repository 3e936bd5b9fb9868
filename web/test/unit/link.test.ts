import './browser'

import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { type Found, Link } from '../../src/document/link'
import { remaining, statusText } from '../../src/pages/status_pill'
import { Socket } from './socket'

let link: Link
let text: Y.Text
let told: string[]
let kept: string[] // The text, whenever all of what was refused is a draft.
let nameNow: string
let found: () => Promise<Found> // What the cluster says when the page asks.
const settle = () => new Promise((done) => setImmediate(done))

beforeEach(async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] })
  Socket.opened = []
  told = []
  kept = []
  nameNow = 'notes'
  found = () => Promise.resolve({ name: nameNow })
  const doc = new Y.Doc()
  text = doc.getText('text')
  link = new Link({
    doc, awareness: new Awareness(doc), name: 'notes', token: () => 't', copy: {},
    check: () => found(), onChange: () => undefined,
    onRenamed: (name) => { told.push(name) },
    onSuggestions: (revision) => { told.push(revision) },
    onMoving: () => { told.push('moving') },
    onKept: () => { kept.push(doc.getText('text').toString()) },
  })
  await settle()
})
afterEach(() => {
  mock.restoreAll()
  link.close()
  mock.timers.reset()
})

const socket = (): Socket => {
  const last = Socket.opened.at(-1)
  assert.ok(last)
  return last
}
const open = (scope = 'read-write') => {
  socket().accept()
  socket().grant(scope)
  socket().ask()
}
const says = (hasLocalCopy = true) => statusText(link.state,
  { lock: link.lock, hasLocalCopy })

test('saved is what was acknowledged, and nothing before', () => {
  assert.equal(says(), 'Connecting…')
  open()
  assert.equal(says(), 'Saving…') // Its first answer to what the cluster knows.
  socket().acknowledge(true)
  assert.equal(says(), 'Saved on a majority')
  text.insert(0, 'a')
  text.insert(1, 'b')
  assert.equal(says(), 'Saving…')
  socket().acknowledge(true)
  assert.equal(says(), 'Saving…')
  socket().acknowledge(true)
  assert.equal(says(), 'Saved on a majority')
})

test('without an answer there is no majority, and typing goes on', () => {
  open()
  socket().acknowledge(true)
  text.insert(0, 'a')
  mock.timers.tick(3_500)
  assert.equal(says(), 'No majority answers – 1 edit kept here')
})

test('a clock that is set back hides neither a missing majority nor a dead node', () => {
  open()
  socket().acknowledge(true)
  const now = Date.now.bind(Date)
  mock.method(Date, 'now', () => now() - 3_600_000)
  text.insert(0, 'a')
  mock.timers.tick(3_500)
  assert.equal(says(), 'No majority answers – 1 edit kept here')
  assert.equal(socket().readyState, 1)
  for (let second = 0; second < 12; ++second) mock.timers.tick(1_000) // It answers no ping.
  assert.equal(socket().readyState, 3)
})

test('what was typed offline is counted, and sent with the next sync', async () => {
  open()
  socket().acknowledge(true)
  const first = socket()
  first.onclose?.({ code: 1006 })
  text.insert(0, 'a')
  text.insert(1, 'b')
  assert.equal(says(), 'Connecting…') // No alarm for a moment,
  mock.timers.tick(2_000)
  assert.equal(says(), 'Offline – 2 edits kept here') // and the truth then.
  assert.equal(says(false), 'Offline – 2 edits kept in this tab only')
  mock.timers.tick(2_000)
  await settle()
  assert.notEqual(socket(), first)
  open()
  assert.equal(says(), 'Saving…')
  assert.equal(socket().types().filter((type) => type === 0).length, 2) // Asks, and answers.
  socket().acknowledge(true)
  assert.equal(says(), 'Saved on a majority')
})

test('a browser that is offline says so at once', () => {
  open()
  socket().acknowledge(true)
  mock.getter(navigator, 'onLine', () => false)
  socket().onclose?.({ code: 1006 })
  assert.equal(says(), 'Offline – edits are kept here')
})

test('a node that is being stopped says so, and is left for the next one', () => {
  open()
  socket().acknowledge(true)
  socket().onclose?.({ code: 1012 })
  assert.ok(told.includes('moving'))
  assert.equal(says(), 'Connecting…')
  const before = told.length
  mock.timers.tick(3_000)
  assert.equal(told.length, before)
})

test('a refusal is said, and what was refused is not called saved', () => {
  open()
  socket().acknowledge(true)
  text.insert(0, 'a')
  socket().acknowledge(false)
  assert.equal(says(), 'Not accepted by the cluster – 1 edit kept here')
  socket().ask() // It asks again when it may take it.
  socket().acknowledge(true)
  assert.equal(says(), 'Saved on a majority')
})

test('read-only names who holds the lock', () => {
  open('readonly')
  assert.equal(says(), 'Read-only')
  socket().stateless({ lock: { holder: 'tom', until: 0 } })
  assert.equal(says(), 'Read-only: locked by tom')
})

test('who waits for a lock sees how long it lasts', () => {
  open('readonly')
  const left = () => remaining(link.state, link.lock, Date.now())
  assert.equal(left(), '')
  socket().stateless({ lock: { holder: 'tom', until: Date.now() + 65_000 } })
  assert.equal(left(), '1:05')
  mock.timers.setTime(Date.now() + 64_500)
  assert.equal(left(), '0:01')
  mock.timers.setTime(Date.now() + 1_000)
  assert.equal(left(), '')
  socket().stateless({ lock: { holder: 'mia', until: Date.now() + 65_000 } })
  socket().grant('read-write')
  assert.equal(left(), '', 'one has it oneself')
})

test('what is denied stays denied, and gives the reason', async () => {
  socket().accept()
  socket().deny('no such document')
  await settle()
  assert.equal(says(), 'Closed: no such document')
  mock.timers.tick(10_000)
  await settle()
  assert.equal(Socket.opened.length, 1)
})

test('a document that was renamed while it was opened is opened under its new name', async () => {
  socket().accept()
  nameNow = 'plans'
  socket().deny('no such document')
  await settle()
  assert.equal(Socket.opened.length, 2)
  assert.equal(link.name, 'plans')
  socket().accept()
  socket().say(2, (to) => {
    encoding.writeVarUint(to, 2)
    encoding.writeVarString(to, 'read-write')
  }, 'plans')
  assert.equal(says(), 'Saving…')
})

test('what is denied is over when the cluster says so, and not while no node answers', async () => {
  socket().accept()
  found = () => Promise.reject(new Error('no node answers'))
  socket().deny('no such document')
  await settle()
  assert.equal(says(), 'Offline – edits are kept here')
  found = () => Promise.resolve({ over: 'another document has this name now' })
  mock.timers.tick(2_000)
  await settle()
  assert.equal(says(), 'Closed: another document has this name now')
})

// In a hidden page timers run once a minute; what comes from the node is read at once.
test('a hidden page whose timers sleep stays with its node', async () => {
  open()
  socket().acknowledge(true)
  const first = socket()
  for (let minute = 0; minute < 5; ++minute) {
    mock.timers.setTime(Date.now() + 59_000) // The node's last word is old, and no timer ran.
    mock.timers.tick(1_000)
    await settle()
    assert.equal(socket(), first)
    assert.deepEqual([...first.sent.at(-1) ?? []], [9], 'it asks first')
    first.onmessage?.({ data: new Uint8Array([10]).buffer })
    assert.equal(says(), 'Saved on a majority')
  }
})

test('a hidden page leaves a node that does not answer its ping', async () => {
  open()
  socket().acknowledge(true)
  const first = socket()
  mock.timers.setTime(Date.now() + 59_000)
  mock.timers.tick(1_000)
  assert.equal(socket(), first)
  mock.timers.setTime(Date.now() + 59_000)
  mock.timers.tick(1_000)
  mock.timers.tick(3_000)
  await settle()
  assert.notEqual(socket(), first)
})

test('a silent node is left after nine seconds', async () => {
  open()
  const first = socket()
  mock.timers.tick(5_000)
  assert.deepEqual([...first.sent.at(-1) ?? []], [9]) // A ping.
  mock.timers.tick(5_000)
  mock.timers.tick(1_000)
  await settle()
  assert.notEqual(socket(), first)
})

test('what is refused and kept as a draft is told when nothing else is under way', () => {
  open()
  assert.ok(socket().types().indexOf(5) < socket().types().indexOf(0), 'it offers drafts at once')
  socket().acknowledge(true)
  text.insert(0, 'a')
  text.insert(1, 'b')
  text.insert(2, 'c')
  socket().grant('readonly')
  socket().stateless({ draft: 2 })
  socket().acknowledge(false)
  socket().acknowledge(false)
  assert.deepEqual(kept, [], 'one is on its way')
  socket().stateless({ draft: 1, drafts: '7' })
  socket().acknowledge(false)
  assert.deepEqual(kept, ['abc'])
  assert.equal(link.draftsRevision, '7')
})

test('what is refused and not kept stays here', () => {
  open()
  socket().acknowledge(true)
  text.insert(0, 'a')
  text.insert(1, 'b')
  socket().stateless({ draft: 1 })
  socket().acknowledge(false)
  socket().acknowledge(false)
  assert.deepEqual(kept, [])
  socket().grant('readonly')
  assert.equal(says(), 'Read-only – 2 edits kept here')
  socket().grant('read-write')
  socket().ask() // The node asks again: all of it goes.
  socket().acknowledge(true)
  assert.deepEqual(kept, [])
  assert.equal(says(), 'Saved on a majority')
})

test('news of suggestions are passed on, and asked for with every opening', () => {
  open()
  assert.deepEqual(told, ['0'])
  socket().stateless({ suggestions: '118' })
  assert.deepEqual(told, ['0', '118'])
})

test('what is merged from elsewhere is not sent to the cluster again', () => {
  open()
  socket().acknowledge(true)
  const before = socket().sent.length
  const other = new Y.Doc()
  other.getText('text').insert(0, 'x')
  link.merge(Y.encodeStateAsUpdate(other))
  assert.equal(text.toString(), 'x')
  assert.equal(socket().sent.length, before)
  assert.equal(says(), 'Saved on a majority')
})

test('a new name is told at once, and used from the next socket on', async () => {
  open()
  socket().acknowledge(true)
  nameNow = 'plans'
  socket().stateless({ name: 'plans' })
  assert.deepEqual(told, ['0', 'plans'])
  text.insert(0, 'a')
  const first = socket()
  const nameIn = (bytes: Uint8Array | undefined) =>
    decoding.readVarString(decoding.createDecoder(bytes ?? new Uint8Array()))
  assert.equal(nameIn(first.sent.at(-1)), 'notes')
  first.onclose?.({ code: 1006 })
  mock.timers.tick(2_000)
  await settle()
  socket().accept()
  assert.equal(nameIn(socket().sent.at(-1)), 'plans')
  assert.deepEqual(told, ['0', 'plans'])
})

test('a name that changed meanwhile is learned before the next connection', async () => {
  open()
  socket().onclose?.({ code: 1006 })
  nameNow = 'plans'
  mock.timers.tick(2_000)
  await settle()
  assert.equal(link.name, 'plans')
  assert.deepEqual(told, ['0', 'plans'])
})
