import './browser'

import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { IDBFactory, IDBKeyRange, IDBObjectStore, IDBTransaction } from 'fake-indexeddb'
import * as Y from 'yjs'

import { keepSession } from '../../src/cluster/api'
import { readCopy } from '../../src/offline/local_copy'
import { copyName, leave, open, type Opened } from '../../src/document/opened'
import { sendUnsent } from '../../src/document/outbox'
import { listUnsent } from '../../src/offline/unsent'
import { storage } from './browser'
import { Socket } from './socket'

const define = (name: string, value: unknown) =>
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
define('IDBKeyRange', IDBKeyRange)

// What the cluster says to calls: which document has which name now.
const ids = new Map<string, string>()
let asked: string[]
let createdAt: string // All of them.
define('fetch', (url: string, { body }: { body: string }) => {
  const { document } = JSON.parse(body) as { document: { id?: string; name?: string } }
  asked.push(document.name ?? document.id ?? '')
  const found = [...ids].find(([name, id]) => name === document.name || id === document.id)
  if (!url.endsWith('GetDocument')) return Promise.resolve(Response.json({}))
  return Promise.resolve(found ? Response.json({ document: { name: found[0], id: found[1], createdAtMs: createdAt } })
    : Response.json({ code: 'not_found', message: 'no such document' }, { status: 404 }))
})

const unhandled: unknown[] = []
process.on('unhandledRejection', (error) => unhandled.push(error))
let openNow: Opened[]
let kept: number
const settle = async (turns = 40) => {
  for (let turn = 0; turn < turns; ++turn) await new Promise((done) => setImmediate(done))
}

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] })
  storage.clear()
  Socket.opened = []
  ids.clear()
  ids.set('notes', '7')
  createdAt = '1000'
  asked = []
  unhandled.length = 0
  openNow = []
  kept = 0
  define('indexedDB', new IDBFactory())
})
afterEach(async () => {
  mock.restoreAll()
  for (const opened of openNow) opened.close()
  await settle()
  mock.timers.reset()
  assert.deepEqual(unhandled, [])
})

async function opening(name = 'notes'): Promise<Opened> {
  const opened = await open(name, { user: 'mia', token: 't' },
    { onChange: () => undefined, onRenamed: () => undefined, onKept: () => { ++kept } })
  openNow.push(opened)
  await settle()
  return opened
}
async function closing(opened: Opened): Promise<void> {
  opened.close()
  openNow = openNow.filter((each) => each !== opened)
  await settle()
}
const socket = (): Socket => {
  const last = Socket.opened.at(-1)
  assert.ok(last)
  return last
}
// The newest socket's document is open; it may be written, or is locked by another.
const connect = (scope = 'read-write') => {
  socket().accept()
  socket().grant(scope)
  socket().ask()
}

for (const name of ['constructor', 'toString', 'valueOf', '__proto__', 'hasOwnProperty']) {
  test(`a document may be called ${name}`, async () => {
    ids.set(name, '12')
    const first = await opening(name)
    assert.equal(first.id, '12')
    first.text.insert(0, 'kept')
    await settle()
    await closing(first)
    asked = []
    const again = await opening(name)
    assert.equal(again.id, '12')
    assert.equal(again.text.toString(), 'kept')
    assert.ok(!asked.includes(name), 'the device knows its id')
  })
}

test('what was written is kept on this device', async () => {
  const opened = await opening()
  assert.ok(opened.hasLocalCopy)
  for (const letter of 'offline') opened.text.insert(opened.text.length, letter)
  await settle()
  await closing(opened)
  assert.equal((await opening()).text.toString(), 'offline')
})

test('nothing is called kept where there is no IndexedDB', async () => {
  define('indexedDB', undefined)
  const waiting = opening()
  await settle()
  mock.timers.tick(2_000)
  assert.equal((await waiting).hasLocalCopy, false)
})

test('nothing is called kept when IndexedDB refuses to open', async () => {
  mock.method(indexedDB, 'open', () => {
    const request: Partial<Record<string, unknown>> = { error: new DOMException('', 'UnknownError') }
    setImmediate(() => (request.onerror as (event: unknown) => void)({ target: request }))
    return request as unknown
  })
  const waiting = opening()
  await settle()
  mock.timers.tick(2_000)
  assert.equal((await waiting).hasLocalCopy, false)
})

test('nothing is called kept while IndexedDB does not answer', async () => {
  const never = mock.method(indexedDB, 'open', (): unknown => ({}))
  const waiting = opening()
  await settle()
  mock.timers.tick(2_000)
  const opened = await waiting
  assert.equal(opened.hasLocalCopy, false)
  opened.text.insert(0, 'a')
  assert.equal(opened.hasLocalCopy, false)
  never.mock.restore()
})

test('what comes late of this device is read late, and what was written meanwhile is kept', async () => {
  const before = await opening()
  before.text.insert(0, 'old ')
  await settle()
  await closing(before)
  const database = indexedDB
  const open = database.open.bind(database)
  const late: (() => void)[] = []
  mock.method(database, 'open', (name: string) => {
    const shown: Partial<Record<string, unknown>> = {}
    late.push(() => {
      const request = open(name, 1)
      request.onsuccess = () => {
        shown.result = request.result
        ;(shown.onsuccess as (event: unknown) => void)({ target: request })
      }
    })
    return shown
  })
  const waiting = opening()
  await settle()
  mock.timers.tick(2_000)
  const opened = await waiting
  opened.text.insert(0, 'new ')
  assert.equal(opened.hasLocalCopy, false)
  for (const answer of late) answer()
  await settle()
  assert.ok(opened.hasLocalCopy)
  assert.match(opened.text.toString(), /old/)
  mock.restoreAll()
  await closing(opened)
  const again = (await opening()).text.toString()
  assert.match(again, /old/)
  assert.match(again, /new/)
})

test('what the device has no room for is not called kept, until there is room', async () => {
  const opened = await opening()
  opened.text.insert(0, 'a')
  await settle()
  assert.ok(opened.hasLocalCopy)
  const full = mock.method(IDBObjectStore.prototype, 'add', function (this: IDBObjectStore) {
    this.transaction.abort()
    throw new DOMException('full', 'QuotaExceededError')
  })
  opened.text.insert(1, 'b')
  await settle()
  assert.equal(opened.hasLocalCopy, false)
  opened.text.insert(2, 'c')
  mock.timers.tick(11_000)
  await settle()
  assert.equal(opened.hasLocalCopy, false)
  full.mock.restore()
  mock.timers.tick(11_000)
  await settle()
  assert.ok(opened.hasLocalCopy)
  opened.text.insert(3, 'd')
  await settle()
  await closing(opened)
  assert.equal((await opening()).text.toString(), 'abcd')
})

test('long writing is kept in few rows', async () => {
  const opened = await opening()
  for (let i = 0; i < 1_500; ++i) {
    opened.text.insert(opened.text.length, `${i % 10}`)
    if (i % 100 === 0) await settle(400)
  }
  await settle(400)
  await closing(opened)
  const database = await new Promise<IDBDatabase>((done) => {
    const request = indexedDB.open('coterie:mia:7@1000')
    request.onsuccess = () => done(request.result)
  })
  const rows = await new Promise<number>((done) => {
    const request = database.transaction('updates').objectStore('updates').count()
    request.onsuccess = () => done(request.result)
  })
  database.close()
  assert.ok(rows < 600, `${rows} rows`)
  assert.equal((await opening()).text.length, 1_500)
})

// Whoever has it open writes while another holds the lock; the cluster makes that a draft.
async function becomesDraft(opened: Opened): Promise<Opened> {
  const before = kept
  connect('readonly')
  socket().acknowledge(true)
  opened.text.insert(0, 'refused ')
  await settle()
  socket().stateless({ draft: 1, drafts: '9' })
  socket().acknowledge(false)
  await settle()
  assert.equal(kept, before + 1)
  await closing(opened)
  return opening()
}

test('what became a draft does not come back from this device', async () => {
  const again = await becomesDraft(await opening())
  assert.equal(again.text.toString(), '')
  again.text.insert(0, 'mine')
  await settle()
  await closing(again)
  assert.equal((await opening()).text.toString(), 'mine')
})

test('what one tab wrote offline outlives the drafts of all tabs', async () => {
  const one = await becomesDraft(await opening())
  one.text.insert(0, 'offline in one. ')
  await settle()
  const two = await becomesDraft(await opening()) // Another tab, which has read that.
  two.text.insert(0, 'offline in two. ')
  one.text.insert(0, 'later in one. ')
  await settle()
  await closing(one)
  await closing(two)
  const text = (await opening()).text.toString()
  assert.match(text, /later in one/)
  assert.match(text, /offline in two/)
  assert.equal((await indexedDB.databases()).length, 1, 'and nothing lies anywhere else')
})

// --- What is on this device alone ---

const unsentNames = () => listUnsent('mia').map(({ name, gone }) => (gone ? `${name}: ${gone}` : name))
// The cluster takes all that it is sent.
const takesAll = async () => {
  connect()
  for (let i = 0; i < 5; ++i) socket().acknowledge(true)
  await settle()
  mock.timers.tick(600)
  await settle()
}

test('what is kept of one cluster does not go into a document of another with its number', async () => {
  const before = await opening()
  before.text.insert(0, 'of the old cluster')
  await settle()
  await closing(before)
  createdAt = '2000' // A cluster of a backup, or a new one at the same address.
  ids.clear()
  ids.set('accounts', '7')
  const offline = await opening()
  assert.equal(offline.text.toString(), 'of the old cluster')
  await settle()
  assert.equal(offline.link.state.kind, 'denied')
  assert.equal(Socket.opened.length, 1, 'only the first was ever connected')
  const other = await opening('accounts')
  assert.equal(other.text.toString(), '')
})

test('edits that were never sent are remembered, and sent without their page', async () => {
  const opened = await opening()
  opened.text.insert(0, 'offline')
  await settle()
  assert.deepEqual(unsentNames(), ['notes'])
  await closing(opened)
  assert.deepEqual(unsentNames(), ['notes'])
  keepSession({ user: 'mia', token: 't' })
  const before = Socket.opened.length
  const sending = sendUnsent()
  await settle()
  assert.equal(Socket.opened.length, before + 1)
  await takesAll()
  assert.deepEqual(unsentNames(), [])
  mock.timers.tick(300)
  await sending
  const said = socket().sent.map((bytes) => Buffer.from(bytes).toString('latin1')).join('\n')
  assert.match(said, /offline/)
  assert.doesNotMatch(said, /"user":/, 'nobody is said to be there')
})

test('edits are not called sent while another tab has more of them', async () => {
  const there = await opening()
  const here = await opening() // Its socket is the newest one.
  there.text.insert(0, 'there')
  here.text.insert(0, 'here')
  await settle()
  await closing(there)
  await takesAll()
  assert.equal(here.link.state.kind, 'saved')
  assert.deepEqual(unsentNames(), ['notes'])
  await closing(here)
  await opening()
  await takesAll()
  assert.deepEqual(unsentNames(), [])
})

test('what was written in a document that is gone can still be read', async () => {
  const opened = await opening()
  opened.text.insert(0, 'all my work')
  await settle()
  await closing(opened)
  ids.clear()
  const again = await opening()
  assert.equal(again.link.state.kind, 'denied')
  assert.deepEqual(unsentNames(), ['notes: it was deleted, or you may not see it any more'])
  await closing(again)
  const [unsent] = listUnsent('mia')
  assert.ok(unsent)
  const doc = await readCopy(copyName('mia', unsent.ref))
  assert.equal(doc.getText('text').toString(), 'all my work')
  assert.deepEqual(listUnsent('tom'), [])
})

test('an empty text that nobody has read yet is not taken for the document', async () => {
  const first = await opening() // Of a document that another writer has read on this device.
  assert.ok(first.isUnread)
  connect()
  const doc = new Y.Doc()
  doc.getText('text').insert(0, 'much')
  socket().tell(doc)
  assert.ok(!first.isUnread)
  await settle()
  await closing(first)
  assert.ok(!(await opening()).isUnread)
})

test('a page that is left takes nothing with it that is nowhere else', async () => {
  define('indexedDB', undefined)
  const first = await opening()
  first.text.insert(0, 'nowhere else')
  leave(first, 'mia')
  await settle()
  const second = await opening()
  assert.equal(second.text.toString(), 'nowhere else')
  assert.equal(second.link.unsavedCount, 1)
  second.text.insert(0, 'and more, ')
  leave(second, 'mia')
  mock.timers.tick(2_000)
  await settle()
  await takesAll() // It is connected, though nobody looks at it.
  mock.timers.tick(2_000)
  await settle()
  assert.equal(socket().readyState, 3, 'and then it is let go')
})

test('what is written is committed at once, as a page that closes has no other turn', async () => {
  const commit = mock.method(IDBTransaction.prototype, 'commit')
  const opened = await opening()
  opened.text.insert(0, 'a')
  assert.ok(commit.mock.callCount() > 0)
})
