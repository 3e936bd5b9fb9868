// Killing and starting the nodes of a development cluster, through the program that started them.
// There is none in a cluster that matters.

export type Running = ReadonlyMap<string, boolean> // By the node's number.

interface Answer { nodes?: { id?: number; isRunning?: boolean }[] }

async function ask(url: string, init: RequestInit): Promise<Running> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(3_000) })
  if (!answer.ok) throw new Error(`The launcher refuses: HTTP ${answer.status}.`)
  const { nodes = [] } = (await answer.json()) as Answer
  return new Map(nodes.map(({ id = 0, isRunning = false }) => [String(id), isRunning]))
}

export const running = (control: string): Promise<Running> =>
  ask(`${control}/nodes`, { method: 'GET' })

export const order = (control: string, node: string, verb: 'kill' | 'start'): Promise<Running> =>
  ask(`${control}/nodes/${encodeURIComponent(node)}/${verb}`, { method: 'POST' })
