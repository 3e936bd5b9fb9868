import type { ComponentChildren } from 'preact'

import { call, keepSession, session } from '../api'
import { toggleTheme } from '../theme'

async function leave(): Promise<void> {
  await call('AuthService/Logout').catch(() => undefined)
  keepSession(null)
  location.hash = '#/'
  location.reload()
}

export function Header({ children }: { children?: ComponentChildren }) {
  const user = session()?.user
  return (
    <header class="top">
      <a class="brand" href="#/">Coterie</a>
      <div class="middle">{children}</div>
      <nav aria-label="Pages">
        <a href="#/">Documents</a>
        <a href="#/cluster">Cluster</a>
        <button type="button" class="quiet" aria-label="Light or dark"
          onClick={toggleTheme}>◐</button>
        {user && <button type="button" class="quiet" onClick={() => void leave()}
          title={`Logged in as ${user}`}>Log out</button>}
      </nav>
    </header>
  )
}
