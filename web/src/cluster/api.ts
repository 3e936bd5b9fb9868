// coterie.v1 as JSON over HTTP (the Connect protocol), on whichever node answers.
import { keep, recallJson } from '../browser/kept'
import { leave, node, nodeCount } from './nodes'

export type Role = 'ROLE_NONE' | 'ROLE_VIEWER' | 'ROLE_EDITOR' | 'ROLE_OWNER'
export interface Grant { user?: string; role?: Role }
export interface Lock { holder?: string; expiresAtMs?: string }
// 64-bit numbers are strings in protobuf's JSON, and what is empty or 0 is left out.
export interface Document {
  id: string
  name: string
  owner?: string
  role?: Role
  grants?: Grant[]
  sizeBytes?: string
  revision?: string
  author?: string
  createdAtMs?: string
  changedAtMs?: string
  lock?: Lock
}
export interface Presence { user?: string; documentId?: string; activity?: string }
export interface Version {
  revision: string
  author?: string
  authors?: string[]
  timeMs?: string
  kind?: string
  insertedBytes?: string
  deletedBytes?: string
  assistant?: string // Whose suggestions were accepted, for example "AI for mia".
}
export interface NodeStatus {
  nodeId: string
  role?: string
  clientAddress?: string
  isReachable?: boolean
  term?: string
  commitIndex?: string
  appliedIndex?: string
  lagEntries?: string
  lastIndex?: string
  logBytes?: string
  storeBytes?: string
  sessions?: string
  uptimeMs?: string
  version?: string
  alarms?: string[]
}

// `code` is Connect's ("not_found"); 'offline' = no node answered. `reason` is the cluster's word
// for it ("NO_MODEL"), if it has one.
export class CallError extends Error {
  constructor(readonly code: string, message: string, readonly reason = '') {
    super(message)
  }
}

interface ErrorBody { code?: string; message?: string; details?: { type: string; value: string }[] }

// Of a google.rpc.ErrorInfo, as base64: the first field, a short string.
function reasonIn(value: string): string {
  const bytes = Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0))
  const size = bytes[1] ?? 0
  if (bytes[0] !== 0x0a || size > 0x7f) return ''
  return new TextDecoder().decode(bytes.slice(2, 2 + size))
}

export function errorFrom(body: unknown, otherwise: string): CallError {
  const { code = 'unknown', message = otherwise, details = [] } = (body ?? {}) as ErrorBody
  const info = details.find((each) => each.type === 'google.rpc.ErrorInfo')
  return new CallError(code, message, info ? reasonIn(info.value) : '')
}

export interface Session { user: string; token: string }

const kSession = 'coterie.session'
const kLogin = 'AuthService/Login'
const kTimeoutMs = 8_000

export function session(): Session | null {
  const kept = recallJson(kSession) as Partial<Session> | null
  const { user, token } = kept ?? {}
  return typeof user === 'string' && typeof token === 'string' ? { user, token } : null
}
let userHere = session()?.user // Whose page this is.
export function keepSession(value: Session | null): void {
  userHere = value?.user
  keep(kSession, value && JSON.stringify(value))
}

// All tabs of a browser have one session. One whose user another tab has logged out, or changed,
// would write in the name of the one and ask in that of the other.
export function watchSession(onOther: () => void): void {
  addEventListener('storage', ({ key }) => {
    if ((key === kSession || key === null) && session()?.user !== userHere) onOther()
  })
}

const clientId = String(new DataView(crypto.getRandomValues(new Uint8Array(8)).buffer)
  .getBigUint64(0))
let sequence = 0
// Makes a call that is repeated on another node happen once.
const nextRequestId = () => ({ clientId, sequence: String(++sequence) })

export function authorization(token = session()?.token): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {}
}

async function callOnce(origin: string, method: string, body: string, token: string | undefined):
    Promise<unknown> {
  const headers = { 'content-type': 'application/json', ...(token && authorization(token)) }
  const answer = await fetch(`${origin}/coterie.v1.${method}`, {
    method: 'POST', headers, body, signal: AbortSignal.timeout(kTimeoutMs),
  })
  const result: unknown = await answer.json()
  if (answer.ok) return result
  throw errorFrom(result, `HTTP ${answer.status}`)
}

// That session is over: the page begins with the sign-in, or as who has logged in meanwhile.
function endOf(token: string): void {
  if (session()?.token === token) keepSession(null)
  location.reload()
}

export async function call<T>(method: string, request: object = {}): Promise<T> {
  const body = JSON.stringify(request)
  const token = method === kLogin ? undefined : session()?.token
  let last = new CallError('offline', 'No node of the cluster answers.')
  for (let attempt = 0; attempt < 2 * nodeCount(); ++attempt) {
    const origin = node()
    try {
      return (await callOnce(origin, method, body, token)) as T
    } catch (error) {
      if (error instanceof CallError) {
        if (error.code === 'unauthenticated' && token && !method.endsWith('/Logout')) endOf(token)
        if (error.code !== 'unavailable') throw error
        last = error
      }
      leave(origin)
      if (attempt + 1 >= nodeCount()) await new Promise((done) => setTimeout(done, 200))
    }
  }
  throw last
}

// Of that node and no other: the page does not move because of it.
export const callAt = <T>(origin: string, method: string, request: object): Promise<T> =>
  callOnce(origin, method, JSON.stringify(request), session()?.token) as Promise<T>

// A call that changes something.
export const change = <T>(method: string, request: object): Promise<T> =>
  call<T>(method, { requestId: nextRequestId(), ...request })

export async function login(user: string, password: string): Promise<Session> {
  const answer = await call<{ token: string }>(kLogin, { user, password })
  const result = { user, token: answer.token }
  keepSession(result)
  return result
}
