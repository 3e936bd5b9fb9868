// Where the cluster is: the origins of its nodes, as the node that served the page knows them. All
// calls and sockets go to one of them; when it does not answer, to the next.

const own = location.origin
let origins: string[] = [own]
let current = 0
let controlUrl: string | null = null

// The nodes that are reached under the page's own host name come first; a node is listed once.
function order(listed: string[]): string[] {
  const host = location.hostname
  const sameHost = listed.filter((origin) => new URL(origin).hostname === host)
  const others = sameHost.length > 0 ? [] : listed
  return [...new Set([own, ...sameHost, ...others])]
}

export async function loadNodes(): Promise<void> {
  try {
    const answer = await fetch('/nodes.json')
    const body: unknown = await answer.json()
    const { origins: listed, control } = body as { origins?: unknown; control?: unknown }
    if (typeof control === 'string' && control.startsWith('http://127.0.0.1:')) controlUrl = control
    if (!Array.isArray(listed)) return
    origins = order(listed.filter((o): o is string => typeof o === 'string' && /^https?:/.test(o)))
    localStorage.setItem('coterie.nodes', JSON.stringify(origins))
  } catch {
    const kept = localStorage.getItem('coterie.nodes')
    if (kept) origins = order(JSON.parse(kept) as string[])
  }
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
