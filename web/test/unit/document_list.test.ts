import './browser'

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'

import { listDocuments } from '../../src/cluster/document_list'

const realFetch = globalThis.fetch
afterEach(() => { globalThis.fetch = realFetch })

interface Request { pageToken: string; nameContains: string; pageSize: number }
interface Page { documents?: { id: string; name: string }[]; nextPageToken?: string }

function answer(pageOf: (request: Request) => Page): Request[] {
  const asked: Request[] = []
  globalThis.fetch = ((_url: string, { body }: { body: string }) => {
    const request = JSON.parse(body) as Request
    asked.push(request)
    return Promise.resolve(new Response(JSON.stringify(pageOf(request))))
  }) as typeof fetch
  return asked
}
const some = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: String(from + i), name: `n${from + i}` }))

test('a list asks on until it has as many as are shown', async () => {
  const asked = answer(({ pageToken }) =>
    ({ documents: some(Number(pageToken), 90), nextPageToken: String(Number(pageToken) + 90) }))
  const list = await listDocuments('n', 1)
  assert.equal(list.documents.length, 270)
  assert.equal(list.hasMore, true)
  assert.deepEqual(asked.map(({ pageSize }) => pageSize), [200, 110, 20])
  assert.deepEqual(asked.map(({ nameContains }) => nameContains), ['n', 'n', 'n'])
})

test('a document that moves between two answers is listed once', async () => {
  answer(({ pageToken }) => (pageToken === ''
    ? { documents: some(1, 3), nextPageToken: 'x' } : { documents: some(3, 2) }))
  const list = await listDocuments('', 1)
  assert.deepEqual(list.documents.map(({ id }) => id), ['1', '2', '3', '4'])
  assert.equal(list.hasMore, false)
})

test('looking for what nothing has comes to an end', async () => {
  const asked = answer(() => ({ nextPageToken: 'on' }))
  assert.deepEqual(await listDocuments('rare', 1), { documents: [], query: 'rare', hasMore: true })
  assert.equal(asked.length, 10)
  await listDocuments('rare', 2)
  assert.equal(asked.length, 30)
})
