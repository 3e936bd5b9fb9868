// Which document a name meant when it was last open on this device, so that it opens while no node
// answers. Names are anybody's choice, `constructor` and `__proto__` too: they are keys of a map.
const kIds = 'coterie.ids'

function read(): Map<string, string> {
  try {
    const kept = JSON.parse(localStorage.getItem(kIds) ?? '{}') as Record<string, string>
    return new Map(Object.entries(kept))
  } catch {
    return new Map() // Nothing that can be read: the cluster knows.
  }
}

export const keptId = (name: string): string | null => read().get(name) ?? null

export function keepId(name: string, id: string | null): void {
  const ids = read()
  if (id === null) ids.delete(name)
  else ids.set(name, id)
  try {
    localStorage.setItem(kIds, JSON.stringify(Object.fromEntries(ids)))
  } catch {
    // No room: the cluster will be asked.
  }
}
