import './browser'

import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'

import { keepSession } from '../../src/cluster/api'
import { loadNodes, node } from '../../src/cluster/nodes'
import { envelope } from '../../src/cluster/stream'
import { type Watched, watchCluster } from '../../src/cluster/watch'

const realFetch = globalThis.fetch
const nodes = ['http://127.0.0.1:8080', 'http://127.0.0.1:8081']
const silent = () => new ReadableStream({ start() { /* Says nothing, and does not end. */ } })
let asked: string[]
let serve: (origin: string) => ReadableStream | null // Null: it is not there.
let watching: AbortController
let heard: Watched[]
let errors: unknown[]

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    mock.timers.tick(100)
    for (let turn = 0; turn < 20; ++turn) await new Promise((done) => setImmediate(done))
  }
}
const saying = (answeringNodeId: string, more?: (control: ReadableStreamDefaultController) => void) =>
  new ReadableStream({ start(control) {
    control.enqueue(envelope({ answeringNodeId }))
    more?.(control)
  } })

beforeEach(async () => {
  asked = []
  heard = []
  errors = []
  globalThis.fetch = ((url: string, init?: RequestInit) => {
    if (url === '/nodes.json') return Promise.resolve(Response.json({ origins: nodes }))
    const { origin } = new URL(url)
    asked.push(origin)
    const body = serve(origin)
    if (!body) return Promise.reject(new TypeError('refused'))
    // As a browser does: who gives up hears no more of it.
    const { signal } = init ?? {}
    const { readable, writable } = new TransformStream()
    void body.pipeTo(writable, signal ? { signal } : {}).catch(() => undefined)
    return Promise.resolve(new Response(readable))
  }) as typeof fetch
  await loadNodes()
  keepSession({ user: 'mia', token: 't' })
  mock.timers.enable({ apis: ['setTimeout'] })
  watching = new AbortController()
})
afterEach(() => {
  watching.abort()
  mock.timers.reset()
  globalThis.fetch = realFetch
})
const watch = () => watchCluster((word) => heard.push(word), (error) => errors.push(error),
  watching.signal)

test('a node that falls silent is left for the next one', async () => {
  const first = node()
  serve = (origin) => (origin === first ? saying('1') : saying('2'))
  void watch()
  await pass(1_000)
  assert.deepEqual(heard.map(({ answeringNodeId }) => answeringNodeId), ['1'])
  await pass(4_000)
  assert.deepEqual(heard.map(({ answeringNodeId }) => answeringNodeId), ['1', '2'])
  assert.notEqual(node(), first)
})

test('one that never says anything, too', async () => {
  const first = node()
  serve = (origin) => (origin === first ? silent() : saying('2'))
  void watch()
  await pass(4_500)
  assert.equal(heard[0]?.answeringNodeId, '2')
})

test('a stream that breaks is opened anew, and why is told', async () => {
  let isFirst = true
  serve = () => {
    if (!isFirst) return saying('1')
    isFirst = false
    return saying('1', (control) => control.close())
  }
  void watch()
  await pass(1_000)
  assert.equal(heard.length, 2)
  assert.equal(errors.length, 1)
})

test('while nobody is there it goes on trying, and not without a pause', async () => {
  serve = () => null
  void watch()
  await pass(4_000)
  assert.ok(asked.length >= 10 && asked.length <= 24, `${asked.length} times`)
  serve = () => saying('1')
  await pass(500)
  assert.equal(heard.length, 1)
})

test('who stops watching asks nothing more', async () => {
  serve = () => saying('1')
  const ended = watch()
  await pass(500)
  watching.abort()
  await pass(200)
  await ended
  const before = asked.length
  await pass(10_000)
  assert.equal(asked.length, before)
})
