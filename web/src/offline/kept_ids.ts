// Which document a name meant when it was last open on this device, so that it opens while no node
// answers. Names are anybody's choice, `constructor` and `__proto__` too: they are keys of a map.
import { keep, recallJson } from '../browser/kept'

const kIds = 'coterie.ids'

function read(): Map<string, string> {
  const kept = recallJson(kIds)
  return new Map(typeof kept === 'object' && kept !== null
    ? Object.entries(kept as Record<string, string>) : [])
}

export const keptId = (name: string): string | null => read().get(name) ?? null

export function keepId(name: string, id: string | null): void {
  const ids = read()
  if (id === null) ids.delete(name)
  else ids.set(name, id)
  keep(kIds, JSON.stringify(Object.fromEntries(ids)))
}
