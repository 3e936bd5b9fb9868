import { useEffect, useState } from 'preact/hooks'

// What `load` yields, again and again while the page is visible, and why it did not at last.
export function usePoll<T>(load: () => Promise<T>, everyMs: number, key = ''):
    { value: T | null; error: unknown; reload: () => void } {
  const [value, setValue] = useState<T | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [round, setRound] = useState(0)
  useEffect(() => {
    let isOver = false
    let timer = 0
    const run = async () => {
      if (!document.hidden) {
        try {
          const loaded = await load()
          if (isOver) return
          setValue(() => loaded)
          setError(null)
        } catch (caught) {
          if (isOver) return
          setError(caught)
        }
      }
      timer = window.setTimeout(() => void run(), everyMs)
    }
    void run()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [key, everyMs, round])
  return { value, error, reload: () => setRound((last) => last + 1) }
}

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
