import './browser'

import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'

import { CallError } from '../../src/cluster/api'
import { askDurability, type Durability, DurabilityKeeper } from '../../src/document/durability'
import { pillDetails, pillText, savedText } from '../../src/pages/status_pill'

const realFetch = globalThis.fetch
let asked: number
let isHidden: boolean
let changes: number
let answer: () => Promise<Durability>
let keeper: DurabilityKeeper

const holding = (...holders: string[]): Durability =>
  ({ revision: 118, term: 4, voters: ['1', '2', '3'], holders })
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    mock.timers.tick(50)
    for (let turn = 0; turn < 5; ++turn) await new Promise((done) => setImmediate(done))
  }
}

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] })
  asked = 0
  changes = 0
  isHidden = false
  answer = () => Promise.resolve(holding('1', '2', '3'))
  keeper = new DurabilityKeeper({
    ask: () => {
      ++asked
      return answer()
    },
    isHidden: () => isHidden, onChange: () => { ++changes },
  })
})
afterEach(() => {
  keeper.close()
  mock.timers.reset()
  globalThis.fetch = realFetch
})

test('it asks when what was written has been saved for a while, and once if all have it', async () => {
  keeper.observe(false, 0)
  await pass(1_000)
  assert.equal(asked, 0)
  for (let save = 1; save < 10; ++save) {
    keeper.observe(true, save)
    await pass(100)
    keeper.observe(false, save)
  }
  assert.equal(asked, 0)
  keeper.observe(true, 10)
  await pass(500)
  assert.equal(asked, 1)
  assert.deepEqual(keeper.known, holding('1', '2', '3'))
  assert.equal(changes, 1)
  await pass(60_000)
  assert.equal(asked, 1)
})

test('what is known is of what was saved then, and of nothing newer', async () => {
  keeper.observe(true, 1)
  await pass(500)
  assert.ok(keeper.known)
  keeper.observe(false, 1)
  assert.equal(keeper.known, null)
  keeper.observe(true, 2)
  assert.equal(keeper.known, null)
})

test('an answer to an older question says nothing of what was saved since', async () => {
  let give: (found: Durability) => void = () => undefined
  answer = () => new Promise((done) => { give = done })
  keeper.observe(true, 1)
  await pass(500)
  assert.equal(asked, 1)
  keeper.observe(true, 2)
  give(holding('1', '2', '3'))
  await pass(50)
  assert.equal(keeper.known, null)
})

test('it asks again, less and less often, until all have it', async () => {
  answer = () => Promise.resolve(holding('1', '2'))
  keeper.observe(true, 1)
  await pass(60_000)
  assert.deepEqual(keeper.known, holding('1', '2'))
  assert.ok(asked >= 4 && asked <= 7, `${asked} times`)
  answer = () => Promise.resolve(holding('1', '2', '3'))
  await pass(20_000)
  assert.deepEqual(keeper.known, holding('1', '2', '3'))
})

test('a node that fails, or is older, leaves what is said as it is', async () => {
  answer = () => Promise.reject(new CallError('unavailable', 'no majority'))
  keeper.observe(true, 1)
  await pass(10_000)
  assert.ok(asked >= 2)
  assert.equal(keeper.known, null)
  answer = () => Promise.reject(new CallError('unimplemented', 'what?'))
  await pass(20_000)
  const before = asked
  await pass(60_000)
  assert.equal(asked, before)
})

test('a hidden page asks nothing', async () => {
  isHidden = true
  keeper.observe(true, 1)
  await pass(30_000)
  assert.equal(asked, 0)
  isHidden = false
  await pass(3_000)
  assert.equal(asked, 1)
})

test('the node of the document is asked, and its numbers are read', async () => {
  const urls: string[] = []
  globalThis.fetch = ((url: string) => {
    urls.push(url)
    return Promise.resolve(Response.json({ revision: '118', term: '4', voterIds: ['1', '2', '3'],
      holderIds: ['1', '3'] }))
  }) as typeof fetch
  assert.deepEqual(await askDurability('http://node', '5'), holding('1', '3'))
  assert.deepEqual(urls, ['http://node/coterie.v1.ClusterService/GetDurability'])
  globalThis.fetch = (() => Promise.resolve(Response.json({ code: 'unavailable' },
    { status: 503 }))) as typeof fetch
  await assert.rejects(askDurability('http://node', '5'), { code: 'unavailable' })
})

const access = { lock: null, hasLocalCopy: true }
test('the pill counts who has said so, and a majority is what it says before that', () => {
  const saved = { kind: 'saved' as const }
  assert.equal(pillText(saved, access, null), 'Saved on a majority')
  assert.equal(pillText(saved, access, holding('1', '2', '3')), 'Saved · 3/3 nodes')
  assert.equal(pillText(saved, access, holding('1', '2')), 'Saved · 2/3 nodes')
  assert.equal(pillText(saved, access, { ...holding('1'), voters: ['1'] }), 'Saved · 1/1 node')
  // Nobody to count: it is no news that nobody has it.
  assert.equal(pillText(saved, access, { ...holding(), voters: [] }), 'Saved on a majority')
  assert.equal(pillText({ kind: 'saving', unsaved: 1 }, access, holding('1', '2', '3')), 'Saving…')
})

test('a longer look tells index, term, time and who has not said so', () => {
  const saved = { kind: 'saved' as const }
  assert.deepEqual(pillDetails(saved, holding('1', '2'), 11.6, 'http://node'), [
    'Saved up to index 118 of the log, term 4.', 'On the disks of n1, n2.',
    'Not heard yet that it is on n3.', 'The last edit was on a majority after 12 ms.',
    'This page is with http://node.'])
  assert.deepEqual(pillDetails(saved, null, null, 'http://node'),
    ['On the disks of a majority of the nodes.', 'This page is with http://node.'])
  assert.deepEqual(pillDetails({ kind: 'offline', unsaved: 2 }, null, 12, 'http://node').slice(-1),
    ['This page is with http://node.'])
})

test('who asks whether it is saved is told up to where in the log, if all of it is', () => {
  const access = { lock: null, hasLocalCopy: true }
  const known = { ...holding('1', '2', '3'), revision: 1_118 }
  assert.equal(savedText({ kind: 'saved' }, access, known, 12.4),
    `Saved · 3/3 nodes, up to index ${(1_118).toLocaleString()} of the log: the last edit after 12 ms`)
  assert.equal(savedText({ kind: 'saved' }, access, null, null), 'Saved on a majority')
  assert.equal(savedText({ kind: 'saving', unsaved: 1 }, access, known, 12.4), 'Saving…')
})
