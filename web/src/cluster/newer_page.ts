// Notices that the nodes serve a newer page than this one, which may be open for weeks.
import { useEffect, useState } from 'preact/hooks'

const kLookEveryMs = 300_000
const kSoonMs = 10_000

const scriptIn = (index: string): string | null => /src="(\/app-[^"]+)"/.exec(index)?.[1] ?? null

async function isOutdated(): Promise<boolean> {
  const own = document.querySelector('script[type=module]')?.getAttribute('src')
  const answer = await fetch('/index.html', { cache: 'no-store' })
  const served = answer.ok ? scriptIn(await answer.text()) : null
  return served !== null && served !== own
}

// Looks soon: a node that is being restarted may come back with a newer one.
let lookSoon = (): void => undefined
export const expectNewerPage = (): void => lookSoon()

export function useNewerPage(): boolean {
  const [isOld, setOld] = useState(false)
  useEffect(() => {
    const look = () => {
      if (!document.hidden) void isOutdated().then((is) => { if (is) setOld(true) }, () => undefined)
    }
    const timer = setInterval(look, kLookEveryMs)
    lookSoon = () => setTimeout(look, kSoonMs)
    document.addEventListener('visibilitychange', look)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }, [])
  return isOld
}
