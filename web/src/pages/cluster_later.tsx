// The cluster page, which few look at and nobody needs to write: it is loaded when it is opened, or
// when the rest has been there for a while, so that it is there when its node is not.
import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'

import { messageOf } from '../cluster/poll'
import { Header } from './header'

let loaded: ComponentType | null = null

export async function loadCluster(): Promise<ComponentType> {
  loaded ??= (await import('./cluster')).Cluster
  return loaded
}

export function ClusterLater() {
  const [Page, setPage] = useState<ComponentType | null>(() => loaded)
  const [message, setMessage] = useState('')
  useEffect(() => {
    loadCluster().then((found) => setPage(() => found),
      (error: unknown) => setMessage(messageOf(error)))
  }, [])
  if (Page) return <Page />
  return (
    <><Header /><main id="main" class="page wide"><h1>Cluster</h1>
      {message && <><p class="error" role="alert">This part of the page could not be loaded: {
        message}</p>
        <button type="button" onClick={() => location.reload()}>Try again</button></>}
    </main></>
  )
}
