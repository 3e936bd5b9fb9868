import type { ComponentChildren } from 'preact'

import { call, keepSession, session } from '../cluster/api'
import { deleteNow } from '../document/deletions'
import { forgetList } from '../offline/kept_list'
import { labelHere } from '../browser/keys'
import { showOverlay } from '../browser/overlay'
import { toggleTheme } from '../browser/settings'
import { listUnsent } from '../offline/unsent'

export async function logOut(): Promise<void> {
  const unsent = listUnsent(session()?.user ?? '').filter(({ gone }) => !gone)
  const names = unsent.map(({ name }) => `“${name}”`).join(', ')
  if (unsent.length > 0 && !confirm(`Edits of ${names} are on this device alone. They stay here, ` +
    'and are sent when you log in again. Log out?')) return
  deleteNow()
  forgetList(session()?.user ?? '')
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
        <button type="button" class="quiet" onClick={() => showOverlay('palette')}
          title={`Go to or do anything: ${labelHere('Mod-k')}`} aria-label="Go to or do">
          <kbd class="wide-only">{labelHere('Mod-k')}</kbd>
          <span class="narrow-only" aria-hidden="true">⋯</span></button>
        <button type="button" class="quiet wide-only" aria-label="Light or dark"
          onClick={toggleTheme}>◐</button>
        <button type="button" class="quiet" aria-label="Settings" title="Settings"
          onClick={() => showOverlay('settings')}>⚙</button>
        {user && <button type="button" class="quiet log-out" onClick={() => void logOut()}
          title={`Logged in as ${user}`}>Log out</button>}
      </nav>
    </header>
  )
}
