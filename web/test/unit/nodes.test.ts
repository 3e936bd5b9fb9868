import { storage } from './browser'

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'

import { allNodes, control, leave, loadNodes, node, nodesOf } from '../../src/cluster/nodes'

const define = (name: string, value: unknown) =>
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
let served: () => Promise<unknown>
define('fetch', () => served())
const serve = (body: string) => { served = () => Promise.resolve(new Response(body)) }

const own = 'http://127.0.0.1:8080' // Of the page in these tests.
beforeEach(() => storage.clear())

test("on several machines the page knows all nodes, its own first, though it is listed", () => {
  const machines = ['https://a.example', 'https://b.example', 'https://c.example']
  assert.deepEqual(nodesOf('https://b.example', machines),
    ['https://b.example', 'https://c.example', 'https://a.example'])
  assert.deepEqual(nodesOf('https://d.example', machines), ['https://d.example', ...machines])
})

test('the names of one machine are not different nodes', () => {
  const listed = [8080, 8081].flatMap((port) =>
    [`http://127.0.0.1:${port}`, `http://localhost:${port}`, `http://[::1]:${port}`])
  assert.deepEqual(nodesOf(own, listed), [own, 'http://127.0.0.1:8081'])
  assert.deepEqual(nodesOf('http://localhost:8081', listed),
    ['http://localhost:8081', 'http://localhost:8080'])
  // This name of a node means the reader's own machine there.
  assert.deepEqual(nodesOf('http://a.example:8080', [...listed, 'http://b.example:8080']),
    ['http://a.example:8080', 'http://b.example:8080'])
})

test('what no browser would connect to from here is left out', () => {
  assert.deepEqual(nodesOf('https://a.example', ['http://b.example', 'null', 'no address', '',
    'https://c.example/', 'https://C.example', 'ftp://d.example']),
  ['https://a.example', 'https://c.example'])
})

test('who does not answer is left for the next one, once, and all take their turn', async () => {
  serve('{"origins":["http://127.0.0.2:8080","http://127.0.0.3:8080"]}')
  await loadNodes()
  assert.deepEqual(allNodes(), [own, 'http://127.0.0.2:8080', 'http://127.0.0.3:8080'])
  assert.equal(node(), own)
  leave(own)
  leave(own) // Another call, which found the same.
  assert.equal(node(), 'http://127.0.0.2:8080')
  leave('http://127.0.0.2:8080')
  leave('http://127.0.0.3:8080')
  assert.equal(node(), own)
})

test('while its own node is gone the page goes by what it knew, or by itself', async () => {
  serve('{"origins":["http://127.0.0.2:8080"]}')
  await loadNodes()
  served = () => Promise.reject(new TypeError('no network'))
  await loadNodes()
  assert.deepEqual(allNodes(), [own, 'http://127.0.0.2:8080'])
  for (const bad of ['{', '7', 'null', '{"a":1}', '[7]']) {
    storage.setItem('coterie.nodes', bad)
    await loadNodes()
    assert.deepEqual(allNodes(), [own], bad)
  }
})

test('an answer that makes no sense changes nothing', async () => {
  for (const bad of ['', 'null', '[]', '{"origins":7}', '{"origins":[7,null]}']) {
    serve(bad)
    await loadNodes()
    assert.deepEqual(allNodes(), [own], bad)
  }
})

test('only this machine may be who stops nodes', async () => {
  serve('{"origins":[],"control":"https://evil.example/"}')
  await loadNodes()
  assert.equal(control(), null)
  serve('{"origins":[],"control":"http://127.0.0.1:5/ab"}')
  await loadNodes()
  assert.equal(control(), 'http://127.0.0.1:5/ab')
})
