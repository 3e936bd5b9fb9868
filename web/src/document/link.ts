// One document's connection to the cluster: Hocuspocus' protocol, because it says which of one's
// own changes are durable on a majority (SyncStatus) and whether one may write. Knows all nodes and
// goes to the next when its own is gone; what was not acknowledged is merged there, as every sync
// merges.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as syncProtocol from 'y-protocols/sync'
import * as Y from 'yjs'

import { leave, node } from '../cluster/nodes'

const kSync = 0
const kAwareness = 1
const kAuth = 2
const kQueryAwareness = 3
const kSyncReply = 4
const kStateless = 5
const kClose = 7
const kSyncStatus = 8
const kPing = 9
const kPong = 10
const kAuthDenied = 1
const kAuthenticated = 2

// A node is taken for dead when it does not answer a ping. Its silence alone says nothing: a hidden
// page's timers run once a minute, and the node says something of itself every 20 s.
const kPingEveryMs = 4_000
const kPongMaxMs = 5_000
const kOpenTimeoutMs = 4_000
const kRetryMinMs = 60
const kRetryMaxMs = 2_000
// That long nobody needs to be told that one is not connected: not yet, or for a moment not.
const kConnectingMs = 2_000
const kRestarting = 1012 // The code with which a node that is being stopped ends its sockets.
const kMajorityMs = 3_000 // Without an answer for that long, there is no majority to answer.

// Durations are by the clock that nobody sets.
const elapsedMs = (): number => performance.now()

export interface LockNotice { holder: string; until: number }

export type LinkState =
  | { kind: 'connecting' }
  | { kind: 'offline'; unsaved: number }
  | { kind: 'saving'; unsaved: number }
  | { kind: 'waiting'; unsaved: number }
  | { kind: 'readonly'; unsaved: number }
  | { kind: 'refused'; unsaved: number }
  | { kind: 'saved' }
  | { kind: 'denied'; reason: string }

// Of a document before it is opened on a node: its name now, or why it is over.
export type Found = { name: string } | { over: string }

export interface LinkOptions {
  doc: Y.Doc
  awareness: awarenessProtocol.Awareness
  name: string // As of the beginning.
  token: () => string
  copy: object // The origin of what comes from this device's own copy.
  // Before every connection. Rejects when no node answers.
  check: (name: string) => Promise<Found>
  onRenamed: (name: string) => void
  // The suggestions for the document are others since this revision; '0' = perhaps.
  onSuggestions: (revision: string) => void
  // The node is being stopped, and says so: the next one is asked.
  onMoving: () => void
  // All that the cluster did not take of what was written here is in its user's draft.
  onKept: () => void
  onChange: () => void
}

export class Link {
  lock: LockNotice | null = null
  canWrite = false
  origin = ''
  draftsRevision = '' // Another one: drafts of the document have changed, perhaps.
  name: string
  wasInSync = false // What the cluster had at some time is in the document.
  isOpen = false // The document, on the socket to `origin`.
  isOver = false // There is no such document any more, or none that one may see.
  private nameHere = '' // Under which it was opened on this socket: until that ends.
  private socket: WebSocket | null = null
  private isInSync = false // On this socket, both ways.
  private denied: string | null = null
  private inFlight = 0 // Updates that are not acknowledged.
  private sentAt: number[] = [] // When each of them left.
  tookMs: number | null = null // Until the last of them was on a majority.
  saves = 0 // Acknowledgements: another number, and what is saved is another text.
  private progressAt = elapsedMs() // When an update was acknowledged, or the first one left after.
  private unsaved = 0 // Changes made here that no majority has, as far as we know.
  private hasRefused = false
  private keptAhead = 0 // Of the updates that are refused next, so many are kept as a draft.
  private hasKept = false
  private retryMs = kRetryMinMs
  private retryTimer = 0
  private openTimer = 0
  private heardAt = 0
  private pingedAt: number | null = null // Without anything heard since.
  private failures = 0
  private lostAt = -Infinity // When the document was open last.
  private isChecking = false
  private isClosed = false
  private readonly startedAt = elapsedMs()
  private readonly pingTimer: number

  constructor(private readonly options: LinkOptions) {
    this.name = options.name
    options.doc.on('update', this.onUpdate)
    options.awareness.on('update', this.onAwareness)
    addEventListener('online', this.onOnline)
    addEventListener('offline', this.onOffline)
    this.pingTimer = window.setInterval(() => this.watch(), 1_000)
    this.connect()
  }

  get state(): LinkState {
    const { unsaved } = this
    if (this.denied !== null) return { kind: 'denied', reason: this.denied }
    if (!this.isOpen) {
      const isNew = this.failures === 0 && elapsedMs() - this.startedAt < kConnectingMs
      const isBrief = elapsedMs() - this.lostAt < kConnectingMs && navigator.onLine
      return isNew || isBrief ? { kind: 'connecting' } : { kind: 'offline', unsaved }
    }
    if (!this.canWrite) return { kind: 'readonly', unsaved }
    if (this.isInSync && this.inFlight === 0 && !this.hasRefused) return { kind: 'saved' }
    if (this.hasRefused && this.inFlight === 0) return { kind: 'refused', unsaved }
    if (elapsedMs() - this.progressAt > kMajorityMs) return { kind: 'waiting', unsaved }
    return { kind: 'saving', unsaved }
  }

  // Changes made here that no majority has, as far as is known.
  get unsavedCount(): number { return this.unsaved }

  // The cluster has all of the document that is here, as its text.
  get hasSentAll(): boolean {
    return this.isInSync && this.inFlight === 0 && !this.hasRefused && !this.hasKept
  }

  close(): void {
    this.isClosed = true
    removeEventListener('online', this.onOnline)
    removeEventListener('offline', this.onOffline)
    this.options.doc.off('update', this.onUpdate)
    clearInterval(this.pingTimer)
    clearTimeout(this.retryTimer)
    clearTimeout(this.openTimer)
    awarenessProtocol.removeAwarenessStates(
      this.options.awareness, [this.options.doc.clientID], 'closing')
    this.options.awareness.off('update', this.onAwareness)
    this.drop()
  }

  // What is in the log already, and perhaps on its way here.
  merge(update: Uint8Array): void {
    Y.applyUpdate(this.options.doc, update, this)
  }

  private connect(): void {
    clearTimeout(this.retryTimer)
    if (this.socket || this.denied !== null) return
    this.ask((found) => {
      if ('name' in found) return this.open(found.name)
      this.end(found.over)
    })
  }

  private end(why: string): void {
    this.denied = why
    this.isOver = true
    this.options.onChange()
  }

  // What has become of the document, by the first node that answers.
  private ask(then: (found: Found) => void): void {
    if (this.isChecking) return
    this.isChecking = true
    this.options.check(this.name).then((found) => {
      this.isChecking = false
      if (!this.isClosed) then(found)
    }, () => {
      this.isChecking = false
      if (!this.isClosed) this.lose()
    })
  }

  private open(name: string): void {
    this.rename(name)
    this.dial()
  }

  private rename(name: string): void {
    if (name === this.name) return
    this.name = name
    this.options.onRenamed(name)
  }

  private dial(): void {
    this.origin = node()
    this.nameHere = this.name
    const socket = new WebSocket(`${this.origin.replace(/^http/, 'ws')}/hocuspocus`)
    socket.binaryType = 'arraybuffer'
    this.socket = socket
    this.heard()
    this.openTimer = window.setTimeout(() => this.lose(), kOpenTimeoutMs)
    socket.onopen = () => this.send(kAuth, (to) => {
      encoding.writeVarUint(to, 0)
      encoding.writeVarString(to, this.options.token())
    })
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
      this.heard()
      this.read(new Uint8Array(event.data))
    }
    socket.onclose = (event: CloseEvent) => {
      if (this.socket !== socket) return
      if (event.code === kRestarting) this.options.onMoving()
      this.lose()
    }
  }

  // The socket is of no use any more: the next node.
  private lose(): void {
    leave(this.origin)
    if (this.isOpen) this.lostAt = elapsedMs()
    ++this.failures
    this.drop()
    if (this.denied === null) {
      const delayMs = this.retryMs * (0.5 + Math.random())
      this.retryTimer = window.setTimeout(() => this.connect(), delayMs)
      this.retryMs = Math.min(2 * this.retryMs, kRetryMaxMs)
    }
    this.options.onChange()
  }

  private drop(): void {
    const { socket } = this
    clearTimeout(this.openTimer)
    this.socket = null
    this.isOpen = false
    this.isInSync = false
    this.inFlight = 0
    this.sentAt = []
    this.keptAhead = 0
    this.hasKept = false
    if (socket) {
      socket.onclose = socket.onmessage = socket.onopen = null
      socket.close()
    }
    const { awareness, doc } = this.options
    const others = [...awareness.getStates().keys()].filter((id) => id !== doc.clientID)
    awarenessProtocol.removeAwarenessStates(awareness, others, this)
  }

  private watch(): void {
    if (this.state.kind !== 'saved') this.options.onChange() // Time alone changes the others.
    if (this.socket?.readyState !== WebSocket.OPEN) return
    const now = elapsedMs()
    if (this.pingedAt !== null) {
      if (now - this.pingedAt >= kPongMaxMs) this.lose()
    } else if (now - this.heardAt > kPingEveryMs) {
      this.pingedAt = now
      this.socket.send(new Uint8Array([kPing]))
    }
  }

  private heard(): void {
    this.heardAt = elapsedMs()
    this.pingedAt = null
  }

  private readonly onOnline = () => {
    this.retryMs = kRetryMinMs
    if (!this.socket) this.connect()
  }
  private readonly onOffline = () => {
    if (this.socket) this.lose()
  }

  private send(type: number, write: (to: encoding.Encoder) => void): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return
    const to = encoding.createEncoder()
    encoding.writeVarString(to, this.nameHere)
    encoding.writeVarUint(to, type)
    write(to)
    this.socket.send(encoding.toUint8Array(to))
  }

  private sendUpdate(write: (to: encoding.Encoder) => void): void {
    ++this.inFlight
    this.sentAt.push(elapsedMs())
    this.send(kSync, write)
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown) => {
    if (origin === this) return
    if (origin !== this.options.copy) {
      if (this.unsaved++ === 0) this.progressAt = elapsedMs()
    }
    if (this.isInSync) this.sendUpdate((to) => syncProtocol.writeUpdate(to, update))
    this.options.onChange()
  }

  private readonly onAwareness = (
    change: { added: number[]; updated: number[]; removed: number[] }, origin: unknown) => {
    if (origin === this || !this.isOpen) return
    const { awareness, doc } = this.options
    const own = [...change.added, ...change.updated, ...change.removed]
      .filter((id) => id === doc.clientID)
    if (own.length === 0) return
    const update = awarenessProtocol.encodeAwarenessUpdate(awareness, own)
    this.send(kAwareness, (to) => encoding.writeVarUint8Array(to, update))
  }

  private read(bytes: Uint8Array): void {
    if (bytes.length === 1 && bytes[0] === kPong) return
    const from = decoding.createDecoder(bytes)
    if (decoding.readVarString(from) !== this.nameHere) return
    const type = decoding.readVarUint(from)
    const { awareness } = this.options
    if (type === kSync || type === kSyncReply) {
      this.readSync(from)
    } else if (type === kAwareness) {
      awarenessProtocol.applyAwarenessUpdate(awareness, decoding.readVarUint8Array(from), this)
    } else if (type === kAuth) {
      this.readAuth(from)
    } else if (type === kQueryAwareness) {
      this.announce()
    } else if (type === kStateless) {
      this.readStateless(decoding.readVarString(from))
    } else if (type === kSyncStatus) {
      this.readSyncStatus(decoding.readVarUint(from) === 1)
    } else if (type === kClose && this.denied === null) {
      return this.lose()
    }
    this.options.onChange()
  }

  private announce(): void {
    const { awareness, doc } = this.options
    if (awareness.getLocalState() === null) return
    const update = awarenessProtocol.encodeAwarenessUpdate(awareness, [doc.clientID])
    this.send(kAwareness, (to) => encoding.writeVarUint8Array(to, update))
  }

  private readAuth(from: decoding.Decoder): void {
    const kind = decoding.readVarUint(from)
    if (kind === kAuthDenied) {
      const reason = decoding.readVarString(from)
      this.drop()
      this.ask((found) => {
        if (!('name' in found)) return this.end(found.over)
        // It was renamed before it was opened.
        if (found.name !== this.nameHere) return this.open(found.name)
        this.denied = reason
        this.options.onChange()
      })
    } else if (kind === kAuthenticated) {
      this.canWrite = decoding.readVarString(from) === 'read-write'
      if (this.isOpen) return
      this.isOpen = true
      this.lock = null
      this.failures = 0
      this.progressAt = elapsedMs() // Nobody could answer before.
      this.retryMs = kRetryMinMs
      clearTimeout(this.openTimer)
      this.send(kStateless, (to) => encoding.writeVarString(to, '{"drafts":"offer"}'))
      this.draftsRevision = `opened ${Date.now()}`
      this.send(kSync, (to) => syncProtocol.writeSyncStep1(to, this.options.doc))
      this.announce()
      this.options.onSuggestions('0')
    }
  }

  private readSync(from: decoding.Decoder): void {
    const step = decoding.readVarUint(from)
    const payload = decoding.readVarUint8Array(from)
    if (step === syncProtocol.messageYjsSyncStep1) {
      // What the cluster lacks: all that was typed meanwhile, in one update.
      this.isInSync = true
      this.hasRefused = false
      this.hasKept = false
      this.sendUpdate((to) => syncProtocol.writeSyncStep2(to, this.options.doc, payload))
    } else {
      Y.applyUpdate(this.options.doc, payload, this)
      if (step === syncProtocol.messageYjsSyncStep2) this.wasInSync = true
    }
  }

  private readSyncStatus(isSaved: boolean): void {
    this.inFlight = Math.max(0, this.inFlight - 1)
    this.progressAt = elapsedMs()
    if (isSaved) ++this.saves
    const sentAt = this.sentAt.shift()
    if (isSaved && sentAt !== undefined) this.tookMs = this.progressAt - sentAt
    if (!isSaved && this.keptAhead > 0) {
      --this.keptAhead
      this.hasKept = true
    } else if (!isSaved) {
      this.hasRefused = true
    }
    if (this.inFlight > 0 || this.hasRefused) return
    this.unsaved = 0
    if (this.hasKept) this.options.onKept()
  }

  private readStateless(payload: string): void {
    const notice = JSON.parse(payload) as { lock?: LockNotice | null; suggestions?: string
      name?: string; draft?: number; drafts?: string }
    if (notice.name !== undefined) this.rename(notice.name)
    if (notice.lock !== undefined) this.lock = notice.lock
    if (notice.draft !== undefined) this.keptAhead += notice.draft
    if (notice.drafts !== undefined) this.draftsRevision = notice.drafts
    if (notice.suggestions !== undefined) this.options.onSuggestions(notice.suggestions)
  }
}
