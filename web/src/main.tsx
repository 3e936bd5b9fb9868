import { render } from 'preact'
import { useEffect, useState } from 'preact/hooks'

import { session, watchSession } from './cluster/api'
import { type Command, kEverywhere, listenForKeys, useCommands } from './browser/commands'
import { deleteNow } from './document/deletions'
import { useNewerPage } from './cluster/newer_page'
import { loadNodes } from './cluster/nodes'
import { showOverlay, toggleOverlay, useOverlay } from './browser/overlay'
import { ClusterLater, loadCluster } from './pages/cluster_later'
import { Documents } from './pages/documents'
import { EditorPage } from './pages/editor_page'
import { Failure } from './pages/failure'
import { logOut } from './pages/header'
import { KeysSheet } from './pages/keys_sheet'
import { Palette } from './pages/palette'
import { SettingsSheet } from './pages/settings_sheet'
import { SignIn } from './pages/sign_in'
import { ToastList } from './pages/toast_list'
import { type Route, useRoute } from './browser/route'
import { toggleTheme, watchSettings } from './browser/settings'
import { followViewport } from './browser/viewport'
import { keepPage } from './browser/worker_registration'

const kNodesPatienceMs = 120
const kLaterMs = 3_000 // When the page has something else to do no more.

const goTo = (hash: string) => () => { location.hash = hash }

const kCommands: Command[] = [
  { title: 'Go to or do…', keys: ['Mod-k'], isKeyOnly: true, run: () => toggleOverlay('palette') },
  { title: 'Documents', run: goTo('#/') },
  { title: 'Cluster', run: goTo('#/cluster') },
  { title: 'Settings', keys: ['Mod-,'], run: () => toggleOverlay('settings') },
  { title: 'Keys', keys: ['Mod-/', '?'], run: () => toggleOverlay('keys') },
  { title: 'Light or dark', run: toggleTheme },
  { title: 'Log out', run: () => void logOut() },
]

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case 'documents':
      return <Documents />
    case 'cluster':
      return <ClusterLater />
    case 'document':
      return <EditorPage name={route.name} key={route.name} />
  }
}

function Everywhere() {
  const overlay = useOverlay()
  const isOutdated = useNewerPage()
  useCommands(kEverywhere, kCommands)
  return (
    <>
      {isOutdated && <p class="newer" role="status">The nodes serve a newer version of this page.{' '}
        <button type="button" onClick={() => location.reload()}>Load it</button></p>}
      {overlay === 'palette' && <Palette />}
      {overlay === 'settings' && <SettingsSheet />}
      {overlay === 'keys' && <KeysSheet />}
    </>
  )
}

function App() {
  const route = useRoute()
  const [isIn, setIn] = useState(session() !== null)
  useEffect(() => showOverlay(null), [route])
  return (
    <>
      <Failure>{isIn ? <><Page route={route} /><Everywhere /></>
        : <SignIn onDone={() => setIn(true)} />}</Failure>
      <ToastList />
    </>
  )
}

// The link at the beginning, for keyboards. The address says which document is open, so it does not
// go there as links do.
function skipToContent(event: Event): void {
  event.preventDefault()
  const main = document.getElementById('main')
  if (!main) return
  if (!main.hasAttribute('tabindex')) main.tabIndex = -1
  main.focus()
}

watchSettings()
watchSession(() => location.reload())
listenForKeys()
followViewport()
addEventListener('pagehide', deleteNow)
document.querySelector('.skip')?.addEventListener('click', skipToContent)
// A node that hangs keeps nobody from what is on this device.
const patience = new Promise((done) => setTimeout(done, kNodesPatienceMs))
void Promise.race([loadNodes(), patience]).then(() => {
  const root = document.getElementById('app')
  if (root) render(<App />, root)
})
keepPage()
setTimeout(() => void loadCluster().catch(() => undefined), kLaterMs)
