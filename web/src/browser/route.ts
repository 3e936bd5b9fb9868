// Which page: behind the '#', so that a document's name may hold anything and no node sees it.
import { useEffect, useState } from 'preact/hooks'

export type Route =
  | { page: 'documents' }
  | { page: 'cluster' }
  | { page: 'document'; name: string }

export const documentLink = (name: string): string => `#/d/${encodeURIComponent(name)}`

function parse(hash: string): Route {
  if (hash === '#/cluster') return { page: 'cluster' }
  if (!hash.startsWith('#/d/')) return { page: 'documents' }
  try {
    return { page: 'document', name: decodeURIComponent(hash.slice(4)) }
  } catch {
    return { page: 'documents' }
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash))
  useEffect(() => {
    const onChange = () => setRoute(parse(location.hash))
    addEventListener('hashchange', onChange)
    return () => removeEventListener('hashchange', onChange)
  }, [])
  return route
}
