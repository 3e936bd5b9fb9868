// One of the servers that ours is measured beside, as its documentation starts it.
//   node peer.mjs y-memory | y-leveldb | hocuspocus  PORT FOLDER
// Prints "ready" when it listens. Data goes into FOLDER.
import http from 'node:http'
import path from 'node:path'

const [kind, port, folder] = process.argv.slice(2)

async function yWebsocket(persistent) {
  const { setPersistence, setupWSConnection } =
    await import('./node_modules/@y/websocket-server/src/utils.js')
  const { default: WebSocket } = await import('ws')
  const Y = await import('yjs')
  if (persistent) {
    const { LeveldbPersistence } = await import('y-leveldb')
    const store = new LeveldbPersistence(path.join(folder, 'leveldb'))
    setPersistence({
      provider: store,
      bindState: async (name, doc) => {
        const stored = await store.getYDoc(name)
        store.storeUpdate(name, Y.encodeStateAsUpdate(doc))
        Y.applyUpdate(doc, Y.encodeStateAsUpdate(stored))
        doc.on('update', (update) => store.storeUpdate(name, update))
      },
      writeState: async () => {},
    })
  }
  const server = http.createServer((_, response) => response.end('okay'))
  const sockets = new WebSocket.Server({ noServer: true })
  sockets.on('connection', setupWSConnection)
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws, request))
  })
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 8192 },
    () => console.log('ready'))
}

async function hocuspocus() {
  const { Server } = await import('@hocuspocus/server')
  const { SQLite } = await import('@hocuspocus/extension-sqlite')
  const server = new Server({
    port: Number(port),
    address: '127.0.0.1',
    quiet: true,
    extensions: [new SQLite({ database: path.join(folder, 'hocuspocus.sqlite') })],
  })
  await server.listen()
  console.log('ready')
}

if (kind === 'hocuspocus') await hocuspocus()
else await yWebsocket(kind === 'y-leveldb')
