// Where many anchors (Yjs' relative positions) are in a text now, in one pass over it:
// createAbsolutePositionFromRelativePosition() goes through all that is left of each.
import type * as Y from 'yjs'

interface Wanted { clock: number; isBehind: boolean; at: number } // `at`: the anchor's place below.

// The first of `list`, which is sorted by clock, at or behind `clock`.
function firstFrom(list: readonly Wanted[], clock: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle]?.clock ?? 0) < clock) low = middle + 1
    else high = middle
  }
  return low
}

// As the cluster places them: letters that were deleted and undone are new ones. A null anchor is
// one in what was empty: it has its only place. Null: it is not in this text, or not here yet.
export function indexesOf(text: Y.Text, anchors: readonly (Y.RelativePosition | null)[]):
    (number | null)[] {
  const indexes: (number | null)[] = anchors.map(() => null)
  const byClient = new Map<number, Wanted[]>()
  for (const [at, anchor] of anchors.entries()) {
    if (anchor === null) {
      indexes[at] = text.length === 0 ? 0 : null
    } else if (anchor.item === null) {
      const root: unknown = anchor.tname === null ? null : text.doc?.share.get(anchor.tname)
      if (root === text) indexes[at] = anchor.assoc >= 0 ? text.length : 0
    } else {
      const { client, clock } = anchor.item
      const list = byClient.get(client) ?? []
      list.push({ clock, isBehind: anchor.assoc < 0, at })
      byClient.set(client, list)
    }
  }
  for (const list of byClient.values()) list.sort((a, b) => a.clock - b.clock)
  if (byClient.size === 0) return indexes
  let index = 0
  for (let item = text._start; item !== null; item = item.right) {
    const list = byClient.get(item.id.client)
    const isShown = !item.deleted && item.countable
    const begin = item.id.clock
    for (let i = list ? firstFrom(list, begin) : 0; list && i < list.length; ++i) {
      const wanted = list[i]
      if (!wanted || wanted.clock >= begin + item.length) break
      indexes[wanted.at] = index +
        (isShown ? wanted.clock - begin + (wanted.isBehind ? 1 : 0) : 0)
    }
    if (isShown) index += item.length
  }
  return indexes
}
