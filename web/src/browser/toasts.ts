// Short messages about what was done, some of which can be taken back for as long as they are shown.
import { announce } from './announce'

const kShownMs = 5_000
const kShownMax = 3

export interface Toast {
  id: number
  text: string
  action?: { title: string; run: () => void }
}

let toasts: readonly Toast[] = []
let lastId = 0
const listeners = new Set<(toasts: readonly Toast[]) => void>()

function set(next: readonly Toast[]): void {
  toasts = next
  for (const listener of [...listeners]) listener(next)
}

export function subscribe(listener: (toasts: readonly Toast[]) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const dismiss = (id: number): void => set(toasts.filter((toast) => toast.id !== id))

export function toast(text: string, action?: Toast['action'], shownMs = kShownMs): number {
  const id = ++lastId
  const others = toasts.filter((each) => each.text !== text).slice(1 - kShownMax)
  set([...others, action ? { id, text, action } : { id, text }])
  announce(action ? `${text}. ${action.title}` : text)
  setTimeout(() => dismiss(id), shownMs)
  return id
}
