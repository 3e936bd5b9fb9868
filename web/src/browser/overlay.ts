// What lies over the page: one thing at a time.
import { useEffect, useState } from 'preact/hooks'

export type Overlay = 'palette' | 'settings' | 'keys' | null

let shown: Overlay = null
const listeners = new Set<() => void>()

export function showOverlay(next: Overlay): void {
  shown = next
  for (const listener of [...listeners]) listener()
}
export const toggleOverlay = (which: Overlay): void =>
  showOverlay(shown === which ? null : which)

export function useOverlay(): Overlay {
  const [now, setNow] = useState(shown)
  useEffect(() => {
    const listener = () => setNow(shown)
    listeners.add(listener)
    return () => { listeners.delete(listener) }
  }, [])
  return now
}
