// What this browser keeps of somebody's documents, apart from what is open.
import { deleteCopy } from '../offline/local_copy'
import { copyName } from './opened'
import { isUnsent } from '../offline/unsent'

export interface Kept { copies: number; bytes: number; isPersistent: boolean }

// Null when the browser does not say.
async function namesOf(user: string): Promise<string[] | null> {
  try {
    const prefix = copyName(user, '')
    return (await indexedDB.databases()).flatMap(({ name }) =>
      (name?.startsWith(prefix) ? [name] : []))
  } catch {
    return null
  }
}

export async function whatIsKept(user: string): Promise<Kept | null> {
  const names = await namesOf(user)
  if (!names) return null
  try {
    const { usage = 0 } = await navigator.storage.estimate()
    return { copies: names.length, bytes: usage, isPersistent: await navigator.storage.persisted() }
  } catch {
    return { copies: names.length, bytes: 0, isPersistent: false } // No secure context.
  }
}

// But for edits that are nowhere else. An open document is kept anew, by its page.
export async function forgetCopies(user: string): Promise<void> {
  for (const name of await namesOf(user) ?? []) {
    if (!isUnsent(user, name.slice(copyName(user, '').length))) await deleteCopy(name)
  }
}
