// What the AI panel says while there is nothing to show yet, in real Chromium windows: a place in the
// queue of a real coterie-llm, and a model that is being loaded; run by `./dev web test`.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import http2 from 'node:http2'
import { after, before, test } from 'node:test'

import { until } from '../../tests/providers/cluster.mjs'
import { hasModels, llm } from './model.mjs'
import { closeBrowser, complaints, openBrowser, startCluster, Writer } from './writer.mjs'

const options = { skip: hasModels ? false : 'there is no llama.cpp here (scripts/llama.sh)' }

before(() => openBrowser())
after(closeBrowser)

const panel = (writer) => writer.page.locator('section.side')
async function ask(writer, question) {
  await writer.page.getByRole('button', { name: /^AI/ }).click()
  await panel(writer).getByLabel('A question about the document').fill(question)
  await panel(writer).getByRole('button', { name: 'Ask', exact: true }).click()
}

// A server with OpenAI's API that answers each question when it is told to.
async function holdingServer() {
  const held = []
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') return response.end('{"data":[{"id":"held"}]}')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    held.push((text) => response.end(
      `data: ${JSON.stringify({ choices: [{ delta: { content: text } }] })}\n\n` +
      'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'))
    return undefined
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, held, url: `http://127.0.0.1:${server.address().port}` }
}

async function withOneSlot(url) {
  const process = spawn(llm, ['--backend', 'openai', '--url', url, '--slots', '1',
    '--listen', '127.0.0.1:0'])
  let output = ''
  process.stderr.on('data', (piece) => { output += piece })
  const address = await until('coterie-llm serves', () => output.match(/ready at (\S+): /)?.[1])
  return { process, address }
}

test('who waits for the model sees the place in its queue, and then the answer', options,
  async () => {
    const { server, held, url } = await holdingServer()
    const { process, address } = await withOneSlot(url)
    const cluster = await startCluster({ flags: ['--llm', address] })
    try {
      const names = ['mia', 'tom', 'zoe']
      const writers = []
      for (const [index, name] of names.entries()) {
        const writer = await Writer.at(cluster.url(index, 'http'), name)
        await writer.create(`of ${name}`)
        await ask(writer, `What does ${name} ask?`)
        const seen = ['Thinking…', 'Waiting: next in the queue', 'Waiting: place 2 in the queue']
        await panel(writer).getByText(seen[index]).waitFor()
        writers.push(writer)
        await until('the first one is with the model', () => held.length === 1)
      }
      const [mia, tom, zoe] = writers
      await zoe.picture('waiting-queued')
      await zoe.assertAccessible('a place in the queue')
      held[0]('It is said.')
      await panel(mia).locator('.answer-text', { hasText: 'It is said.' }).waitFor()
      await panel(zoe).getByText('Waiting: next in the queue').waitFor()
      await until('the next one is with the model', () => held.length === 2)
      held[1]('To Tom, too.')
      await panel(tom).locator('.answer-text', { hasText: 'To Tom, too.' }).waitFor()
      assert.equal(await panel(tom).getByText(/Waiting|Thinking/).count(), 0)
      // Stop leaves the queue, or the slot.
      await panel(zoe).getByRole('button', { name: 'Stop' }).click()
      await panel(zoe).getByText('Stopped.').waitFor()
      await Promise.all(writers.map((writer) => writer.close()))
    } finally {
      await cluster.stop()
      process.kill('SIGKILL')
      server.closeAllConnections()
      server.close()
    }
  })

test('everybody sees where the model is at work, until it is done', options, async () => {
  const { server, held, url } = await holdingServer()
  const { process, address } = await withOneSlot(url)
  const cluster = await startCluster({ flags: ['--llm', address] })
  try {
    const mia = await Writer.at(cluster.url(0, 'http'), 'mia')
    const tom = await Writer.at(cluster.url(1, 'http'), 'tom')
    await mia.create('marked')
    await mia.insert('He go home.')
    await mia.untilStatus(/Saved/)
    await tom.open('marked')
    await mia.page.getByRole('button', { name: /^AI/ }).click()
    await panel(mia).getByRole('button', { name: 'Fix grammar' }).click()
    const label = tom.page.locator('.peer-label', { hasText: 'AI for mia' })
    await label.waitFor()
    await tom.page.getByLabel(/^Here: .*AI for mia/).waitFor()
    await tom.picture('working-mark')
    await until('it is with the model', () => held.length === 1)
    held[0]('He goes home.')
    await panel(mia).getByText('1 suggestion in the text.').waitFor()
    await until('it has gone', async () => await label.count() === 0)
    await Promise.all([mia.close(), tom.close()])
  } finally {
    await cluster.stop()
    process.kill('SIGKILL')
    server.closeAllConnections()
    server.close()
  }
})

// As much of coterie.llm.v1 over gRPC as says how far the model is loaded.
async function loadingServer() {
  const state = { percent: 7 }
  const server = http2.createServer()
  server.on('stream', (stream, headers) => {
    const isStatus = headers[':path'].endsWith('/GetStatus')
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(isStatus ? { 'grpc-status': '0' }
      : { 'grpc-status': '14', 'grpc-message': 'it is being loaded' }))
    // GetStatusResponse.loading_percent is field 19, a varint.
    stream.end(isStatus ? Buffer.from([0, 0, 0, 0, 3, 0x98, 1, state.percent]) : undefined)
  })
  const sessions = new Set()
  server.on('session', (session) => sessions.add(session))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { state, address: `127.0.0.1:${server.address().port}`, stop: () => {
    server.close()
    for (const session of sessions) session.destroy()
  } }
}

test('a model that is being loaded is waited for, with how far it is', async () => {
  const loading = await loadingServer()
  const cluster = await startCluster({ flags: ['--llm', loading.address] })
  try {
    const mia = await Writer.at(cluster.url(0, 'http'), 'mia')
    await mia.create('early')
    await mia.type('Some words. ')
    await mia.untilStatus(/Saved/)
    await ask(mia, 'What is it about?')
    await panel(mia).getByText('The model is being loaded: 7 %').waitFor()
    loading.state.percent = 64
    await panel(mia).getByText('The model is being loaded: 64 %').waitFor()
    await mia.picture('waiting-loading')
    await mia.assertAccessible('a model that is being loaded')
    await mia.page.emulateMedia({ colorScheme: 'dark' })
    await mia.picture('waiting-loading-dark')
    await mia.page.setViewportSize({ width: 390, height: 844 })
    await mia.picture('waiting-loading-phone')
    loading.stop() // It will never be.
    await panel(mia).getByText(/No language model answers/).waitFor()
    await mia.close()
  } finally {
    await cluster.stop()
  }
})

test('nothing failed, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
