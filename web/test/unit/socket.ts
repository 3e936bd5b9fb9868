import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as syncProtocol from 'y-protocols/sync'
import * as Y from 'yjs'

// The other end of the page's socket, in the test's hands.
export class Socket {
  static readonly OPEN = 1
  static opened: Socket[] = []
  readyState = 0
  binaryType = ''
  onopen: (() => void) | null = null
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  sent: Uint8Array[] = []
  constructor(readonly url: string) {
    Socket.opened.push(this)
  }
  send(bytes: Uint8Array): void { this.sent.push(bytes) }
  close(): void { this.readyState = 3 }
  accept(): void {
    this.readyState = 1
    this.onopen?.()
  }
  say(type: number, write: (to: encoding.Encoder) => void, name = 'notes'): void {
    const to = encoding.createEncoder()
    encoding.writeVarString(to, name)
    encoding.writeVarUint(to, type)
    write(to)
    const bytes = encoding.toUint8Array(to)
    this.onmessage?.({ data: bytes.slice().buffer })
  }
  types(): number[] {
    return this.sent.map((bytes) => {
      const from = decoding.createDecoder(bytes)
      decoding.readVarString(from)
      return decoding.readVarUint(from)
    })
  }
  grant(scope: string): void {
    this.say(2, (to) => {
      encoding.writeVarUint(to, 2)
      encoding.writeVarString(to, scope)
    })
  }
  deny(reason: string): void {
    this.say(2, (to) => {
      encoding.writeVarUint(to, 1)
      encoding.writeVarString(to, reason)
    })
  }
  // All that the cluster knows: nothing.
  ask(): void { this.say(0, (to) => syncProtocol.writeSyncStep1(to, new Y.Doc())) }
  tell(doc: Y.Doc): void { this.say(0, (to) => syncProtocol.writeSyncStep2(to, doc)) }
  acknowledge(isSaved: boolean): void {
    this.say(8, (to) => encoding.writeVarUint(to, isSaved ? 1 : 0))
  }
  stateless(message: object): void {
    this.say(5, (to) => encoding.writeVarString(to, JSON.stringify(message)))
  }
}
Object.defineProperty(globalThis, 'WebSocket', { value: Socket, configurable: true })
