// Documents that the page has left while something of them was here and nowhere else: no node had
// answered, and this browser keeps nothing. They stay connected until it is somewhere, or until they
// are opened again; the browser asks before it throws them away.
import * as Y from 'yjs'

import type { Opened } from './opened'

const kLookEveryMs = 1_000

interface Left { opened: Opened; isNowhereElse: () => boolean }

const left = new Map<string, Left>()
let timer = 0

const onLeave = (event: BeforeUnloadEvent) => event.preventDefault()

function look(): void {
  for (const [name, { opened, isNowhereElse }] of left) {
    if (isNowhereElse()) continue
    left.delete(name)
    opened.close()
  }
  if (left.size > 0) return
  clearInterval(timer)
  timer = 0
  removeEventListener('beforeunload', onLeave)
}

export const lingering = {
  keep(name: string, opened: Opened, isNowhereElse: () => boolean): void {
    if (!isNowhereElse()) return opened.close()
    opened.awareness.setLocalState(null) // Nobody is there any more.
    const before = left.get(name)?.opened
    if (before) {
      Y.applyUpdate(opened.doc, Y.encodeStateAsUpdate(before.doc))
      before.close()
    }
    left.set(name, { opened, isNowhereElse })
    if (timer !== 0) return
    timer = window.setInterval(look, kLookEveryMs)
    addEventListener('beforeunload', onLeave)
  },

  // For who opens it again, and closes what is returned.
  take(name: string): Opened | null {
    const found = left.get(name)?.opened ?? null
    left.delete(name)
    look()
    return found
  },
}
