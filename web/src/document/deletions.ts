// Documents that are about to be deleted: they go some seconds later, so that one can think better
// of it, or at once when the page is left.
import { authorization, change } from '../cluster/api'
import { node } from '../cluster/nodes'

export const kUndoMs = 10_000

const waiting = new Map<string, number>() // Their timers.

export const isBeingDeleted = (id: string): boolean => waiting.has(id)

export function deleteSoon(id: string, onDone: () => void, onError: (error: unknown) => void): void {
  const timer = window.setTimeout(() => {
    change('DocumentService/DeleteDocument', { document: { id } }).finally(() => waiting.delete(id))
      .then(onDone, onError)
  }, kUndoMs)
  waiting.set(id, timer)
}

export function undoDeletion(id: string): void {
  clearTimeout(waiting.get(id))
  waiting.delete(id)
}

// A last call of a page that goes and has no time for an answer. Where a service worker stands between
// the page and the network, it is the one that goes on living.
function callAtLast(method: string, request: object): void {
  const url = `${node()}/coterie.v1.${method}`
  const headers = { 'content-type': 'application/json', ...authorization() }
  const init = { method: 'POST', body: JSON.stringify(request), headers }
  const worker = 'serviceWorker' in navigator ? navigator.serviceWorker.controller : null
  if (worker) worker.postMessage({ url, init })
  else void fetch(url, { ...init, keepalive: true }).catch(() => undefined)
}

export function deleteNow(): void {
  for (const [id, timer] of waiting) {
    clearTimeout(timer)
    callAtLast('DocumentService/DeleteDocument', { document: { id } })
  }
  waiting.clear()
}
