import './browser'

import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'

import { LockKeeper } from '../../src/document/lock_keeper'

// What was asked of the cluster, and how it answers.
let asked: string[]
let fails: (what: string) => boolean
let until: number // The lock's end, as the state has it: the time of the call and its ttl.
Object.defineProperty(globalThis, 'fetch', { configurable: true,
  value: (url: string, { body }: { body: string }) => {
    const method = url.split('/').at(-1) ?? ''
    const { ttlMs, lockToken, version } = JSON.parse(body) as
      { ttlMs?: string; lockToken?: string; version?: string }
    asked.push([method, ttlMs, lockToken, version].filter(Boolean).join(' '))
    if (fails(method)) {
      return Promise.resolve(Response.json({ code: 'aborted', message: 'no' }, { status: 409 }))
    }
    if (method === 'LockDocument') until = Date.now() + Number(ttlMs)
    if (method === 'UnlockDocument') until = 0
    return Promise.resolve(Response.json({ lock: { token: '5' } }))
  } })

let keeper: LockKeeper
const settle = async () => {
  for (let turn = 0; turn < 20; ++turn) await new Promise((done) => setImmediate(done))
}
const pass = async (seconds: number) => {
  for (let at = 0; at < seconds; ++at) {
    mock.timers.tick(1_000)
    await settle()
  }
}

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] })
  asked = []
  fails = () => false
  until = 0
  keeper = new LockKeeper('7')
})
afterEach(() => {
  keeper.close()
  mock.timers.reset()
})

test('a lock that is held is renewed as long as it is, whoever took it', async () => {
  keeper.observe(true) // After a reload: the cluster says so.
  for (let minute = 0; minute < 10; ++minute) {
    await pass(60)
    assert.ok(until > Date.now() + 60_000, 'there is time left')
  }
  asked = []
  keeper.observe(false)
  await pass(300)
  assert.deepEqual(asked, [])
})

test('one renewal that fails does not end renewing', async () => {
  await keeper.take()
  keeper.observe(true)
  await pass(30)
  fails = (method) => method === 'LockDocument'
  await pass(60)
  fails = () => false
  await pass(10)
  assert.ok(until > Date.now() + 100_000)
})

test('restoring keeps the lock of who holds it as long as it was', async () => {
  await keeper.take()
  keeper.observe(true)
  await keeper.restore('12')
  assert.deepEqual(asked, ['LockDocument 120000', 'LockDocument 120000', 'RestoreVersion 5 12'])
  await pass(60)
  assert.ok(until > Date.now() + 60_000)
})

test('restoring without the lock takes it for a moment, and gives it back though it fails', async () => {
  await keeper.restore('12')
  assert.deepEqual(asked, ['LockDocument 10000', 'RestoreVersion 5 12', 'UnlockDocument'])
  fails = (method) => method === 'RestoreVersion'
  await assert.rejects(keeper.restore('13'), /no/)
  assert.equal(asked.at(-1), 'UnlockDocument')
  assert.equal(until, 0)
})

test('no renewal takes again what was given back', async () => {
  await keeper.take()
  keeper.observe(true)
  await pass(4)
  const given = keeper.giveBack()
  mock.timers.tick(2_000) // The renewal's time, while that call is under way.
  await given
  await settle()
  await pass(200) // The socket has not said it yet.
  assert.equal(until, 0)
  keeper.observe(false)
  await keeper.take()
  keeper.observe(true)
  await pass(60)
  assert.ok(until > Date.now())
})

test('a lock that ran out while the machine slept is not taken again', async () => {
  await keeper.take()
  keeper.observe(true)
  await pass(6)
  assert.ok(asked.length >= 2, 'it is renewed')
  asked = []
  mock.timers.tick(600_000) // Nothing runs, and then all that was due.
  await settle()
  await pass(60) // The cluster's word is late.
  assert.deepEqual(asked, [])
  keeper.observe(false)
  keeper.observe(true) // Taken once more, by hand in another tab.
  await pass(6)
  assert.deepEqual(asked, ['LockDocument 120000'])
})
