// What stock providers live through in the long run: nothing happening at all, documents that are
// dropped from memory or deleted, sessions that end, messages that are too large, nodes that go. All
// at the same time, so that what must be waited for is waited for once. Run by ctest.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, describe, test } from 'node:test'
import { Cluster, pause, until } from './cluster.mjs'
import { WebSocket, Y, closeAll, kinds, open } from './clients.mjs'

// Each of the three is for something of its own.
const kQuiet = 0 // Nothing disturbs who is idle there.
const kDying = 1
const kEmptied = 2 // Nobody else opens documents there.
// All of them drop a socket that brought no message for 30 s, and look every 3 s.
const kBeyondWatchdogMs = 40_000

let cluster
let ana
let names = 0
const fresh = (what) => `${what} ${++names}/ü`

before(async () => {
  cluster = await Cluster.start(3)
  ana = await cluster.login('ana')
})
after(async () => {
  closeAll()
  await cluster?.stop()
  setTimeout(() => process.exit(process.exitCode ?? 0), 200).unref()
})

// Nodes that die take calls along: those of this file may be repeated.
async function call(method, request, options) {
  for (let tries = 0; ; ++tries) {
    try {
      return await cluster.call(method, request, options)
    } catch (error) {
      const mayHelp = error.code === 'unavailable' || error.cause !== undefined
      if (tries === 20 || !mayHelp) throw error
      await pause(250)
    }
  }
}

async function stored(name, index = kQuiet) {
  const answer = await call('DocumentService/GetUpdate', { document: { name } },
    { token: ana, index })
  const doc = new Y.Doc()
  if (answer.update) Y.applyUpdate(doc, Buffer.from(answer.update, 'base64'))
  return doc.getText('t').toString()
}

const login = async (user) => (await call('AuthService/Login', { user })).token
const create = (name) => call('DocumentService/CreateDocument', { name, everyone: 'ROLE_EDITOR' },
  { token: ana })
const isY = (kind) => kind.startsWith('y-')

describe('in the long run', { concurrency: true }, () => {
  test('who is idle beyond the watchdog of its provider stays', async () => {
    const name = fresh('idle')
    const clients = kinds.map((kind) => open(kind, cluster.url(kQuiet), name, { token: ana }))
    for (const client of clients) {
      client.awareness.setLocalState(null) // It would be renewed every 15 s.
      await client.synced()
    }
    let lost = 0
    for (const { provider } of clients) {
      provider.on('status', ({ status }) => { if (status !== 'connected') ++lost })
    }

    await pause(kBeyondWatchdogMs)

    for (const client of clients) assert.deepEqual(client.closes, [], client.kind)
    assert.equal(lost, 0)
    clients.forEach((client, i) => client.append(`<${i}>`))
    await until('all have all', () => clients.every((client) => client.text.length === 15))
  })

  // 10 s after the last member has gone.
  test('a document that was dropped from memory is there again', async () => {
    const names = kinds.map(() => fresh('dropped'))
    const rooms = async () => Number(/^coterie_gateway_rooms (\d+)$/m.exec(
      await (await fetch(`${cluster.url(kEmptied, 'http')}/metrics`)).text())[1])
    const clients = kinds.map((kind, i) => open(kind, cluster.url(kEmptied), names[i],
      { token: ana }))
    for (const client of clients) await client.synced()
    clients.forEach((client, i) => client.append(`written ${i}; `))
    for (let i = 0; i < kinds.length; ++i) {
      await until('it is stored', async () => await stored(names[i]) === `written ${i}; `)
    }
    assert.equal(await rooms(), kinds.length)
    for (const client of clients) client.close()
    await until('all rooms are gone', async () => await rooms() === 0, 30_000)
    await call('DocumentService/AppendDocument', { document: { name: names[0] }, text: 'by call' },
      { token: ana, index: kEmptied })

    const again = kinds.map((kind, i) => open(kind, cluster.url(kEmptied), names[i],
      { token: ana }))

    for (const client of again) await client.synced()
    again.forEach((client, i) => assert.equal(client.text,
      `written ${i}; ${i === 0 ? 'by call' : ''}`))
    again.forEach((client) => client.append('again'))
    for (let i = 0; i < kinds.length; ++i) {
      await until('it is stored', async () => (await stored(names[i])).endsWith('again'))
    }
  })

  test('one provider loses its node, goes on at another, and comes back', async () => {
    const name = fresh('moved')
    const moved = kinds.map((kind) => open(kind, cluster.url(kDying), name, { token: ana }))
    const waiting = kinds.map((kind) => open(kind, cluster.url(kDying), name, { token: ana }))
    for (const client of [...moved, ...waiting]) await client.synced()
    moved.forEach((client, i) => client.append(`[before ${i}]`))
    const all = (count) => async () => ((await stored(name)).match(/\[/g) ?? []).length === count
    await until('it is stored', all(kinds.length))

    await cluster.kill(kDying)
    await until('all notice', () => [...moved, ...waiting].every(
      (client) => !client.provider.synced))
    moved.forEach((client, i) => client.append(`[moved ${i}]`))
    waiting.forEach((client, i) => client.append(`[waiting ${i}]`))
    for (const client of moved) client.moveTo(cluster.url(kQuiet))

    await until('what the moved wrote is stored', all(2 * kinds.length), 30_000)
    await cluster.restart(kDying)
    await until('what the others wrote is, too', all(3 * kinds.length), 30_000)
    const text = await stored(name, kDying)
    await until('all have the same', () => [...moved, ...waiting].every(
      (client) => client.text === text))
    for (const client of [...moved, ...waiting]) {
      if (!isY(client.kind)) {
        // Hocuspocus 2 counts one for what it wrote offline and sends more: below 0 in the end.
        await until(`saved: ${client.kind}`, () => !client.provider.hasUnsyncedChanges)
      }
      client.close()
    }
  })

  for (const kind of kinds) {
    test(`${kind}: a deleted document ends it; made again, it goes on`, async () => {
      const name = fresh('deleted')
      await create(name)
      const client = open(kind, cluster.url(kQuiet), name, { token: ana, ifMissing: 'fail' })
      await client.synced()
      client.append('kept by the editor')
      await until('it is stored', async () => await stored(name) === client.text)

      await call('DocumentService/DeleteDocument', { document: { name } }, { token: ana })

      await until('it is told', () => client.denials.length > 0)
      if (isY(kind)) {
        await until('it is closed', () => client.closes.length > 0)
        assert.equal(client.closes[0], 4410)
      }
      if (kind === 'y-websocket 3') await until('it gives up', () => client.isOver)
      if (kind === 'y-websocket 2') {
        await until('it comes back in vain', () => client.closes.includes(4403))
      }
      client.append(', and more')
      await create(name)
      if (kind !== 'y-websocket 2') client.reconnect()
      await until('its text is there again', async () =>
        await stored(name) === 'kept by the editor, and more')
      client.close()
    })

    test(`${kind}: who logs in again goes on where the session ended`, async () => {
      const name = fresh('session')
      await create(name)
      const bob = await login(`bob ${kind}`)
      const client = open(kind, cluster.url(kQuiet), name, { token: bob })
      await client.synced()
      client.append('before; ')
      await until('it is stored', async () => await stored(name) === 'before; ')

      await call('AuthService/Logout', {}, { token: bob, index: kEmptied })

      await until('it is told', () => client.denials.length > 0)
      if (isY(kind)) {
        await until('it is closed', () => client.closes.length > 0)
        assert.equal(client.closes[0], 4401)
      }
      client.append('meanwhile; ')
      await pause(700)
      assert.equal(await stored(name), 'before; ')
      client.reconnect({ token: await login(`bob ${kind}`) })
      await until('what it wrote meanwhile is there', async () =>
        await stored(name) === 'before; meanwhile; ')
      client.close()
    })
  }
})

describe('a message that is too large', () => {
  for (const kind of kinds) {
    test(`${kind}: ends the socket, and nothing else`, async () => {
      const name = fresh('too large')
      const other = open('hocuspocus 4', cluster.url(kQuiet), name, { token: ana })
      const client = open(kind, cluster.url(kQuiet), name, { token: ana })
      await other.synced()
      await client.synced()

      client.insert(0, 'x'.repeat(17 << 20))

      await until('it is cut off', () => client.closes.length > 0)
      assert.ok([1009, 1006].includes(client.closes[0]), String(client.closes[0]))
      other.append('others go on')
      await until('they do', async () => await stored(name) === 'others go on')
      // What it wrote is its own to take back; then it fits. What the other wrote may be there, and
      // stand before it.
      client.doc.getText('t').delete(client.text.indexOf('x'), 17 << 20)
      client.append('; so does it')
      // Hocuspocus 2 does not come back by itself, and not while it still holds its old socket. It
      // may have the other's text already, of an attempt that ended as the first one did.
      let asked = 0
      await until('all have all', () => {
        if (kind === 'hocuspocus 2' && Date.now() - asked > 2_000) {
          client.reconnect()
          asked = Date.now()
        }
        return other.text === client.text
      }, 20_000)
      assert.ok(other.text.includes('others go on'))
      assert.ok(other.text.includes('; so does it'))
      assert.deepEqual(other.closes, [])
      other.close()
      client.close()
    })
  }
})

describe('over TLS', () => {
  test('every provider writes through wss, and not to who is somebody else', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'coterie-tls-'))
    const script = fileURLToPath(new URL('../../scripts/certificates.sh', import.meta.url))
    execFileSync(script, [folder, '127.0.0.1'])
    const ca = readFileSync(path.join(folder, 'ca.pem'))
    class Trusting extends WebSocket {
      constructor(url, protocols) { super(url, protocols, { ca }) }
    }
    const secure = await Cluster.start(1, { ca, flags: [
      '--tls-cert', path.join(folder, '127.0.0.1.pem'),
      '--tls-key', path.join(folder, '127.0.0.1.key'), '--tls-ca', path.join(folder, 'ca.pem')] })
    try {
      const token = await secure.login('ana')
      const clients = kinds.map((kind) => open(kind, secure.url(0), 'secret',
        { token, WebSocket: Trusting }))
      for (const client of clients) await client.synced()
      clients.forEach((client, i) => client.append(`<${i}>`))
      await until('all have all', () => clients.every((client) => client.text.length === 15))
      assert.match(secure.url(0), /^wss:/)
      const stranger = open('y-websocket 3', secure.url(0), 'secret', { token })
      await pause(500)
      assert.equal(stranger.provider.synced, false)
      stranger.close()
      for (const client of clients) client.close()
    } finally {
      await secure.stop()
      rmSync(folder, { recursive: true })
    }
  })
})
