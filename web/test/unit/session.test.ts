import { storage } from './browser'

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'

import { call, keepSession, login, session, watchSession } from '../../src/cluster/api'
import { keep, recall, recallAll } from '../../src/browser/kept'
import { allNodes, loadNodes } from '../../src/cluster/nodes'

const define = (name: string, value: unknown) =>
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
let answers: (url: string, headers: Record<string, string>) => Response
define('fetch', (url: string, { headers = {} }: { headers?: Record<string, string> }) =>
  Promise.resolve(answers(url, headers)))
let reloads: number
define('location', { origin: 'http://127.0.0.1:8080', hostname: '127.0.0.1',
  reload: () => { ++reloads } })
let onStorage: (event: { key: string | null }) => void = () => undefined
define('addEventListener', (kind: string, run: typeof onStorage) => {
  if (kind === 'storage') onStorage = run
})

const over = () => Response.json({ code: 'unauthenticated', message: 'over' }, { status: 401 })
const byAnotherTab = (value: object | null) => {
  if (value) storage.setItem('coterie.session', JSON.stringify(value))
  else storage.removeItem('coterie.session')
}
const { setItem, getItem } = storage

beforeEach(() => {
  Object.assign(storage, { setItem, getItem })
  storage.clear()
  keepSession(null)
  answers = () => Response.json({})
  reloads = 0
})

test('a session that nobody can read is none', () => {
  for (const kept of ['{', 'null', '[]', '"mia"', '{"user":"mia"}', '{"token":7,"user":"mia"}']) {
    storage.setItem('coterie.session', kept)
    assert.equal(session(), null, kept)
  }
})

test('a session that is over ends the page, and not the newer one of another tab', async () => {
  keepSession({ user: 'mia', token: 'old' })
  answers = () => {
    byAnotherTab({ user: 'mia', token: 'new' })
    return over()
  }
  await assert.rejects(call('DocumentService/ListDocuments'))
  assert.equal(session()?.token, 'new')
  assert.equal(reloads, 1)
  keepSession({ user: 'mia', token: 'old' })
  answers = over
  await assert.rejects(call('DocumentService/ListDocuments'))
  assert.equal(session(), null)
  assert.equal(reloads, 2)
})

test('a login that fails leaves the session of the other tabs', async () => {
  byAnotherTab({ user: 'mia', token: 't' })
  answers = (_, headers) => {
    assert.equal(headers.authorization, undefined)
    return over()
  }
  await assert.rejects(login('tom', 'wrong'))
  assert.equal(session()?.user, 'mia')
  assert.equal(reloads, 0)
})

test('a tab notices that another one has logged out, or in as somebody else', () => {
  let noticed = 0
  watchSession(() => { ++noticed })
  const happens = (value: object | null, key: string | null = 'coterie.session') => {
    byAnotherTab(value)
    onStorage({ key })
  }
  keepSession({ user: 'mia', token: 't' })
  happens({ user: 'mia', token: 'newer' })
  onStorage({ key: 'coterie.settings' })
  assert.equal(noticed, 0, 'it is still hers')
  happens(null)
  assert.equal(noticed, 1)
  happens({ user: 'tom', token: 'u' })
  assert.equal(noticed, 2)
  happens(null, null) // All was cleared.
  assert.equal(noticed, 3)
})

test('a browser without room keeps small things for as long as the page is open', async () => {
  keep('a:1', 'before')
  storage.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }
  keep('a:1', 'after')
  keep('a:2', 'two')
  assert.equal(recall('a:1'), 'after')
  assert.deepEqual([...recallAll('a:')].sort(), [['a:1', 'after'], ['a:2', 'two']])
  keep('a:2', null)
  assert.equal(recall('a:2'), null)
  answers = () => Response.json({ origins: ['http://127.0.0.1:8081'] })
  await loadNodes() // Or the page would stay empty.
  assert.equal(allNodes().length, 2)
  keepSession({ user: 'mia', token: 't' })
  assert.equal(session()?.user, 'mia')
})

test('a browser that lets nothing be kept shows the page', async () => {
  const refuse = () => { throw new DOMException('no cookies', 'SecurityError') }
  Object.assign(storage, { getItem: refuse, setItem: refuse })
  assert.equal(session(), null)
  answers = () => Response.json({ origins: [] })
  await loadNodes()
  keepSession({ user: 'mia', token: 't' })
  assert.equal(session()?.token, 't')
  keepSession(null)
  assert.equal(session(), null)
})
