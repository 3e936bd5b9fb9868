// Server streams of coterie.v1 over HTTP: the Connect protocol's envelopes of JSON. A message is one
// byte of flags, its length in 4 bytes, and its bytes; the one with the flag 2 is the end, and says
// how it ended.
import { authorization, CallError, errorFrom } from './api'
import { leave, node, nodeCount } from './nodes'

const kHeadBytes = 5
const kEndOfStream = 2
const kMessageBytesMax = 8 << 20

export interface Envelope { isEnd: boolean; data: Uint8Array }

export function envelope(message: object): Uint8Array<ArrayBuffer> {
  const data = new TextEncoder().encode(JSON.stringify(message))
  const bytes = new Uint8Array(kHeadBytes + data.length)
  new DataView(bytes.buffer).setUint32(1, data.length)
  bytes.set(data, kHeadBytes)
  return bytes
}

// Cuts what arrives in pieces of any size into envelopes.
export class EnvelopeReader {
  private kept = new Uint8Array(0)

  push(piece: Uint8Array): Envelope[] {
    const bytes = new Uint8Array(this.kept.length + piece.length)
    bytes.set(this.kept)
    bytes.set(piece, this.kept.length)
    const envelopes: Envelope[] = []
    let at = 0
    while (bytes.length - at >= kHeadBytes) {
      const size = new DataView(bytes.buffer, at + 1).getUint32(0)
      if (size > kMessageBytesMax) throw new CallError('internal', 'A message is too large.')
      if (bytes.length - at - kHeadBytes < size) break
      const begin = at + kHeadBytes
      at = begin + size
      envelopes.push({
        isEnd: ((bytes[begin - kHeadBytes] ?? 0) & kEndOfStream) !== 0,
        data: bytes.slice(begin, at),
      })
    }
    this.kept = bytes.slice(at)
    return envelopes
  }
}

async function begin(origin: string, method: string, request: object, signal: AbortSignal):
    Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const answer = await fetch(`${origin}/coterie.v1.${method}`, {
    method: 'POST', signal, body: envelope(request),
    headers: { 'content-type': 'application/connect+json', ...authorization() },
  })
  if (answer.ok && answer.body) return answer.body.getReader()
  throw errorFrom(await answer.json().catch(() => null), `HTTP ${answer.status}`)
}

async function* readAll<T>(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<T> {
  const envelopes = new EnvelopeReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new CallError('unavailable', 'The node ended in the middle of its answer.')
      for (const { isEnd, data } of envelopes.push(value)) {
        const message: unknown = JSON.parse(new TextDecoder().decode(data))
        if (!isEnd) {
          yield message as T
          continue
        }
        const { error } = message as { error?: object }
        if (error) throw errorFrom(error, 'The call failed.')
        return
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined)
  }
}

// The messages of a stream. A node that does not answer, or says that another one would, is left
// for the next one, as long as nothing has come of it but messages that are `passing`. Ends with
// `signal`, without an error.
export async function* stream<T>(method: string, request: object, signal: AbortSignal,
    isPassing: (message: T) => boolean = () => false): AsyncGenerator<T> {
  const isOver = () => signal.aborted
  let last: unknown = new CallError('offline', 'No node of the cluster answers.')
  for (let attempt = 0; attempt < nodeCount() && !isOver(); ++attempt) {
    const origin = node()
    let hasBegun = false
    try {
      for await (const message of readAll<T>(await begin(origin, method, request, signal))) {
        hasBegun ||= !isPassing(message)
        yield message
      }
      return
    } catch (error) {
      if (isOver()) return
      // Without a model is a node that has asked all of them already.
      const isElsewhere = !(error instanceof CallError) ||
        (error.code === 'unavailable' && error.reason !== 'MODEL_UNAVAILABLE')
      if (hasBegun || !isElsewhere) throw error
      if (error instanceof CallError) last = error
      leave(origin)
    }
  }
  if (!isOver()) throw last
}
