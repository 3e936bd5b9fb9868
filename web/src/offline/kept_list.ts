// The list of documents as it was last seen here, for when no node answers: those whose text this
// device has as well can be opened.
import type { Document } from '../cluster/api'
import { keep, recall, recallJson } from '../browser/kept'
import { keptId } from './kept_ids'

const kKeptMax = 300

type Listed = Pick<Document, 'id' | 'name' | 'owner' | 'author' | 'changedAtMs'>

const keyOf = (user: string): string => `coterie.list:${user}`

function read(user: string): Listed[] {
  const kept = recallJson(keyOf(user))
  return Array.isArray(kept) ? (kept as Listed[]) : []
}

export function keepList(user: string, documents: readonly Listed[]): void {
  const json = JSON.stringify(documents.slice(0, kKeptMax)
    .map(({ id, name, owner, author, changedAtMs }) => ({ id, name, owner, author, changedAtMs })))
  if (json !== recall(keyOf(user))) keep(keyOf(user), json)
}

// It is open here, whether or not it was listed before.
export function addToList(user: string, id: string, name: string): void {
  const known = read(user)
  const at = known.findIndex((each) => each.id === id)
  if (known[at]?.name === name) return
  keepList(user, [{ ...known[at], id, name }, ...known.filter((each) => each.id !== id)])
}

export const keptList = (user: string): Document[] =>
  read(user).filter(({ name }) => keptId(name) !== null)

export const forgetList = (user: string): void => keep(keyOf(user), null)
