// Small things that this browser keeps for the page. One that keeps nothing, because it is told not
// to or has no room, does so for as long as the page is open: nothing here throws.
const memory = new Map<string, string>() // What the browser did not take.

export function recall(key: string): string | null {
  const here = memory.get(key)
  if (here !== undefined) return here
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

export function keep(key: string, value: string | null): void {
  memory.delete(key)
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    if (value !== null) memory.set(key, value)
  }
}

// All that begin so.
export function recallAll(prefix: string): Map<string, string> {
  const found = new Map<string, string>()
  const add = (key: string | null) => {
    const value = key?.startsWith(prefix) ? recall(key) : null
    if (key && value !== null) found.set(key, value)
  }
  try {
    for (let i = 0; i < localStorage.length; ++i) add(localStorage.key(i))
  } catch {
    // None of them.
  }
  for (const key of memory.keys()) add(key)
  return found
}

// As JSON, if it is what is asked for; anybody may have written there.
export function recallJson(key: string): unknown {
  try {
    return JSON.parse(recall(key) ?? 'null') as unknown
  } catch {
    return null
  }
}
