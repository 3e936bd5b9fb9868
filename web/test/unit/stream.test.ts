import './browser'

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'

import { CallError, errorFrom } from '../../src/cluster/api'
import { heard, isOnlyWaiting, newAnswer, requestOf, wordsFor } from '../../src/document/assist'
import { loadNodes } from '../../src/cluster/nodes'
import { envelope, EnvelopeReader, stream } from '../../src/cluster/stream'

const realFetch = globalThis.fetch
afterEach(() => { globalThis.fetch = realFetch })

const end = (message: object): Uint8Array => {
  const bytes = envelope(message)
  bytes[0] = 2
  return bytes
}
const join = (pieces: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces))

// Answers each request with the next of these; a rejection is a node that is not there.
function answer(...answers: (Uint8Array | 'nobody' | { status: number; body: object })[]): string[] {
  const asked: string[] = []
  globalThis.fetch = ((url: string) => {
    asked.push(url)
    const next = answers.shift()
    if (next === undefined || next === 'nobody') return Promise.reject(new TypeError('refused'))
    if (next instanceof Uint8Array) return Promise.resolve(new Response(Buffer.from(next)))
    return Promise.resolve(new Response(JSON.stringify(next.body), { status: next.status }))
  }) as typeof fetch
  return asked
}

async function collect(signal = new AbortController().signal): Promise<unknown[]> {
  const messages: unknown[] = []
  for await (const message of stream('S/M', {}, signal)) messages.push(message)
  return messages
}

test('envelopes are found in pieces of any size', () => {
  const whole = join([envelope({ a: 1 }), envelope({ text: 'ü😀' }), end({})])
  for (let size = 1; size <= whole.length; ++size) {
    const reader = new EnvelopeReader()
    const found: string[] = []
    for (let at = 0; at < whole.length; at += size) {
      for (const { isEnd, data } of reader.push(whole.slice(at, at + size))) {
        found.push(`${isEnd ? 'end' : ''}${new TextDecoder().decode(data)}`)
      }
    }
    assert.deepEqual(found, ['{"a":1}', '{"text":"ü😀"}', 'end{}'])
  }
})

test('an envelope of no reasonable length is an error, not memory', () => {
  const reader = new EnvelopeReader()
  assert.throws(() => reader.push(new Uint8Array([0, 0x7f, 0, 0, 0, 1])), CallError)
})

test('a stream yields its messages and ends as its end says', async () => {
  answer(join([envelope({ text: 'a' }), envelope({ text: 'b' }), end({})]))
  assert.deepEqual(await collect(), [{ text: 'a' }, { text: 'b' }])

  const info = Buffer.from('\n\x08NO_MODEL').toString('base64').replace(/=+$/, '')
  answer(end({ error: { code: 'failed_precondition', message: 'none',
    details: [{ type: 'google.rpc.ErrorInfo', value: info }] } }))
  await assert.rejects(collect(), { code: 'failed_precondition', message: 'none',
    reason: 'NO_MODEL' })
})

test('a stream that is cut off is an error, and is not begun again', async () => {
  const asked = answer(join([envelope({ text: 'a' })]), join([end({})]))
  await assert.rejects(collect(), { code: 'unavailable' })
  assert.equal(asked.length, 1)
})

test('nobody there is one clear error', async () => {
  answer('nobody')
  await assert.rejects(collect(), { code: 'offline' })
})

test('what is stopped ends without an error', async () => {
  const control = new AbortController()
  control.abort()
  answer('nobody')
  assert.deepEqual(await collect(control.signal), [])
})

test('an error that is no JSON of ours is still one', () => {
  assert.equal(errorFrom(null, 'HTTP 502').message, 'HTTP 502')
  assert.equal(errorFrom({ code: 'internal' }, 'x').code, 'internal')
})

test('what an answer waits for counts until anything else is heard', () => {
  let made = newAnswer({ kind: 'summarize' })
  const waits = [{ queued: { place: 3 } }, { queued: { place: 1 } }, { loading: {} },
    { reading: { percent: 40 } }]
  const words = waits.map((event) => {
    made = heard(made, event)
    return made.waiting && wordsFor(made.waiting)
  })
  assert.deepEqual(words, ['Waiting: place 3 in the queue', 'Waiting: next in the queue',
    'The model is being loaded: 0 %', 'The model reads the text: 40 %'])
  assert.ok(waits.every(isOnlyWaiting))
  for (const event of [{ text: 'a' }, { progress: { done: 1, known: 2 } }, { started: {} }]) {
    assert.ok(!isOnlyWaiting(event))
    assert.equal(heard(made, event).waiting, null)
  }
  assert.equal(heard(made, { finished: {} }).waiting, null)
})

test('a node that ends while one only waits is left for the next one', async () => {
  answer({ status: 200, body: { origins: [location.origin, 'http://127.0.0.1:9'] } })
  await loadNodes()
  const passing = (message: { queued?: object }) => message.queued !== undefined
  const asked = answer(join([envelope({ queued: { place: 2 } })]),
    join([envelope({ text: 'a' }), end({})]))
  const messages: unknown[] = []
  for await (const message of stream('S/M', {}, new AbortController().signal, passing)) {
    messages.push(message)
  }
  assert.deepEqual(messages, [{ queued: { place: 2 } }, { text: 'a' }])
  assert.equal(new Set(asked.map((url) => new URL(url).origin)).size, 2)
  answer({ status: 200, body: { origins: [location.origin] } })
  await loadNodes()
})

test('an answer grows by what is heard', () => {
  let made = newAnswer({ kind: 'grammar' })
  for (const event of [{ started: { model: 'tiny' } }, { progress: { known: 4 } },
    { progress: { done: 2, known: 4 } }, { text: 'He ' }, { text: 'goes' }]) {
    made = heard(made, event)
  }
  assert.deepEqual([made.state, made.model, made.done, made.known, made.text],
    ['running', 'tiny', 2, 4, 'He goes'])
  made = heard(made, { finished: { batch: '9', suggestions: 3, dropped: 1 } })
  assert.deepEqual([made.state, made.suggestions, made.dropped], ['done', 3, 1])
  assert.equal(made.resumeAt, null)
  assert.deepEqual(made.notes, [])
  made = heard(made, { finished: { cutOff: 'CUT_OFF_CONTEXT', resumeAt: '4711', whyStopped: 'Full.' } })
  assert.equal(made.resumeAt, 4_711)
  assert.deepEqual(made.notes, [
    'Cut off: the text leaves the model no room for more. Ask about a part of it.',
    'Full.',
  ])
})

test('only what works on a passage is told of one', () => {
  const range = { begin: 3, end: 9 }
  assert.deepEqual(requestOf({ kind: 'enhance', tone: 'formal' }, '7', range),
    ['Enhance', { document: { id: '7' }, tone: 'TONE_FORMAL', range: { begin: '3', end: '9' } }])
  assert.deepEqual(requestOf({ kind: 'instruct', instruction: 'in verse' }, '7', range),
    ['Enhance', { document: { id: '7' }, instruction: 'in verse',
      range: { begin: '3', end: '9' } }])
  assert.deepEqual(requestOf({ kind: 'grammar' }, '7', null),
    ['Grammar', { document: { id: '7' } }])
  assert.deepEqual(requestOf({ kind: 'continue' }, '7', range),
    ['Continue', { document: { id: '7' } }])
})
