import { render } from 'preact'
import { useState } from 'preact/hooks'

import { session } from './api'
import { loadNodes } from './nodes'
import { Cluster } from './pages/cluster'
import { Documents } from './pages/documents'
import { EditorPage } from './pages/editor_page'
import { SignIn } from './pages/sign_in'
import { useRoute } from './route'
import { applyTheme } from './theme'
import { keepPage } from './worker_registration'

function App() {
  const route = useRoute()
  const [isIn, setIn] = useState(session() !== null)
  if (!isIn) return <SignIn onDone={() => setIn(true)} />
  switch (route.page) {
    case 'documents':
      return <Documents />
    case 'cluster':
      return <Cluster />
    case 'document':
      return <EditorPage name={route.name} key={route.name} />
  }
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

applyTheme()
document.querySelector('.skip')?.addEventListener('click', skipToContent)
void loadNodes().then(() => {
  const root = document.getElementById('app')
  if (root) render(<App />, root)
})
keepPage()
