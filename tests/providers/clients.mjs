// The stock providers behind one face: open a document, look at it, close it.
import { createRequire } from 'node:module'
import { until } from './cluster.mjs'

// All of them as CommonJS: two copies of yjs in one process do not understand each other.
const require = createRequire(import.meta.url)
export const Y = require('yjs')
export const { WebSocket } = require('ws')
const { Awareness } = require('y-protocols/awareness')
const yWebsocket = {
  2: require('y-websocket-2').WebsocketProvider,
  3: require('y-websocket-3').WebsocketProvider,
}
const hocuspocus = {
  2: require('@hocuspocus/provider-2'),
  3: require('@hocuspocus/provider-3'),
  4: require('@hocuspocus/provider-4'),
}

export const kinds = ['y-websocket 2', 'y-websocket 3', 'hocuspocus 2', 'hocuspocus 3',
  'hocuspocus 4']

const opened = new Set()
export function closeAll() {
  for (const client of [...opened]) client.close()
}

class Client {
  constructor(doc) {
    this.doc = doc
    this.closes = [] // Codes.
    this.denials = []
    this.stateless = []
    this.scopes = []
    opened.add(this)
  }
  get text() { return this.doc.getText('t').toString() }
  insert(index, text) { this.doc.getText('t').insert(index, text) }
  append(text) { this.insert(this.doc.getText('t').length, text) }
  states() { return [...this.awareness.getStates().entries()] }
  peers() { return this.states().filter(([id]) => id !== this.doc.clientID && id !== 0) }
  synced(timeoutMs) {
    return until(`${this.kind} is synced`, () => this.provider.synced, timeoutMs)
  }
  // Where it is to try next: all of them try again and again by themselves.
  moveTo(url) {
    if (this.kind.startsWith('y-')) this.provider.serverUrl = `${url}/yjs`
    else this.socket.configuration.url = hocuspocusUrl(url)
  }
  // What an application does when its user has logged in again, or may again.
  reconnect({ token = this.token } = {}) {
    this.token = token
    if (this.kind.startsWith('y-')) this.provider.params = { ...this.provider.params, token }
    if (this.kind === 'hocuspocus 3' || this.kind === 'hocuspocus 4') {
      this.provider.detach()
      this.provider.attach()
    } else {
      this.provider.connect()
    }
  }
  close() {
    if (!opened.delete(this)) return
    this.provider.destroy()
    this.socket?.destroy?.()
  }
}

const creating = ({ ifMissing = 'create' }) => (ifMissing === 'create' ? { create: '1' } : {})

function openYWebsocket(version, url, name, options, client) {
  const params = { ...creating(options), ...(options.token ? { token: options.token } : {}) }
  const provider = new yWebsocket[version](`${url}/yjs`, name, client.doc, {
    WebSocketPolyfill: options.WebSocket ?? WebSocket, params, disableBc: true, maxBackoffTime: 500,
    awareness: client.awareness,
  })
  provider.on('connection-close', (event) => event && client.closes.push(event.code))
  provider.on('closed', () => { client.isOver = true })
  // What console.warn() would say: the message 02 00.
  provider.messageHandlers[2] = (_encoder, decoder) => {
    decoder.pos = decoder.arr.length
    client.denials.push('denied')
  }
  client.provider = provider
}

export function hocuspocusUrl(url, options = {}) {
  return `${url}/hocuspocus?${new URLSearchParams(creating(options))}`
}

export function hocuspocusSocket(version, url, options = {}) {
  const { HocuspocusProviderWebsocket } = hocuspocus[version]
  return new HocuspocusProviderWebsocket({
    url: hocuspocusUrl(url, options), WebSocketPolyfill: options.WebSocket ?? WebSocket, delay: 100, minDelay: 100,
    jitter: false, maxDelay: 500,
  })
}

function openHocuspocus(version, url, name, options, client) {
  const { HocuspocusProvider } = hocuspocus[version]
  client.socket = options.socket ? null : hocuspocusSocket(version, url, options)
  const provider = new HocuspocusProvider({
    websocketProvider: options.socket ?? client.socket, name, document: client.doc,
    token: () => client.token, awareness: client.awareness,
    onAuthenticationFailed: ({ reason }) => client.denials.push(reason),
    onStateless: ({ payload }) => client.stateless.push(JSON.parse(payload)),
    onClose: ({ event }) => client.closes.push(event.code),
    onAuthenticated: () => client.scopes.push(provider.authorizedScope),
  })
  if (version > 2) provider.attach()
  client.provider = provider
}

export function open(kind, url, name, options = {}) {
  const [family, version] = kind.split(' ')
  const client = new Client(options.doc ?? new Y.Doc())
  client.token = options.token ?? ''
  client.kind = kind
  client.awareness = new Awareness(client.doc)
  const how = family === 'hocuspocus' ? openHocuspocus : openYWebsocket
  how(Number(version), url, name, options, client)
  return client
}
