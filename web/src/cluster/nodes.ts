// Where the cluster is: the origins of its nodes, as the node that served the page knows them. All
// calls and sockets go to one of them; when it does not answer, to the next.
import { keep, recallJson } from '../browser/kept'

const own = location.origin
const kKept = 'coterie.nodes'
const kPatienceMs = 3_000
let current = 0
let controlUrl: string | null = null

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]'

function addressOf(text: unknown): URL | null {
  try {
    return new URL(String(text))
  } catch {
    return null
  }
}

// Which of the origins that a node lists a page of `page` can use: its own first, then those behind
// it in the list, so that not all pages of a lost node go to the same other one. A node of this
// machine has several names there; from another machine those lead to that machine itself. A page
// that came over TLS may not go on without.
export function nodesOf(page: string, listed: readonly unknown[]): string[] {
  const here = new URL(page)
  const usable: string[] = []
  for (const each of listed) {
    const address = addressOf(each)
    if (!address) continue
    const { protocol, hostname, origin } = address
    const isPlain = protocol === 'http:'
    if (protocol !== 'https:' && !(isPlain && here.protocol === 'http:')) continue
    if (isLoopback(hostname) && hostname !== here.hostname) continue
    usable.push(origin)
  }
  const at = usable.indexOf(here.origin)
  return [...new Set([here.origin, ...usable.slice(at + 1), ...usable.slice(0, at + 1)])]
}

function keptNodes(): readonly unknown[] {
  const kept = recallJson(kKept)
  return Array.isArray(kept) ? kept : []
}

let origins: readonly string[] = nodesOf(own, keptNodes())

// Until it answers, the nodes are those that were known before.
export async function loadNodes(): Promise<void> {
  let listed: unknown
  try {
    const answer = await fetch('/nodes.json', { signal: AbortSignal.timeout(kPatienceMs) })
    const body = (await answer.json()) as { origins?: unknown; control?: unknown } | null
    const { control } = body ?? {}
    if (typeof control === 'string' && control.startsWith('http://127.0.0.1:')) controlUrl = control
    listed = body?.origins
  } catch {
    listed = null // It does not answer.
  }
  const isAnswer = Array.isArray(listed)
  const before = node()
  origins = nodesOf(own, isAnswer ? (listed as unknown[]) : keptNodes())
  current = Math.max(0, origins.indexOf(before))
  if (isAnswer) keep(kKept, JSON.stringify(origins))
}

export const node = (): string => origins[current % origins.length] ?? own
export const nodeCount = (): number => origins.length
export const allNodes = (): readonly string[] => origins
// Where the nodes of a development cluster are killed and started; null elsewhere.
export const control = (): string | null => controlUrl

// `failed` did not answer: the next one's turn, unless somebody else has moved on already.
export function leave(failed: string): void {
  if (failed === node()) current = (current + 1) % origins.length
}
