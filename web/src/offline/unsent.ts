// Which documents have edits that, as far as this browser knows, are on this device alone: typed
// while no node answered, in a page that was closed before one did. A key of its own for each, so
// that tabs do not write over each other's word.
import { keep, recall, recallAll } from '../browser/kept'

export interface Unsent {
  ref: string // Of the document, as this device's copy has it.
  name: string // When it was last open here.
  gone: string // Why the cluster will not take them; '' while it may.
}

const kPrefix = 'coterie.unsent:'
const keyOf = (user: string, ref: string): string => `${kPrefix}${ref}:${user}`

function read(ref: string, value: string): Unsent {
  try {
    const { name, gone } = JSON.parse(value) as Partial<Unsent>
    return { ref, name: name ?? ref, gone: gone ?? '' }
  } catch {
    return { ref, name: ref, gone: '' }
  }
}

export function listUnsent(user: string): Unsent[] {
  const found: Unsent[] = []
  for (const [key, value] of recallAll(kPrefix)) {
    const [ref = '', ...rest] = key.slice(kPrefix.length).split(':')
    if (rest.join(':') === user) found.push(read(ref, value))
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export const isUnsent = (user: string, ref: string): boolean =>
  recall(keyOf(user, ref)) !== null

export function noteUnsent(user: string, { ref, name, gone }: Unsent): void {
  keep(keyOf(user, ref), JSON.stringify({ name, gone }))
}

export const forgetUnsent = (user: string, ref: string): void => keep(keyOf(user, ref), null)
