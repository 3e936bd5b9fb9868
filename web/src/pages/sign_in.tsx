import { useState } from 'preact/hooks'

import { login } from '../cluster/api'
import { messageOf } from '../cluster/poll'

export function SignIn({ onDone }: { onDone: () => void }) {
  const [error, setError] = useState('')
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setBusy(true)
    try {
      await login(String(form.get('user')).trim(), String(form.get('password')))
      onDone()
    } catch (caught) {
      setError(messageOf(caught))
      setBusy(false)
    }
  }
  return (
    <main id="main" class="sign-in">
      <h1>Coterie</h1>
      <p>Write together. What is saved is on the disks of a majority of nodes.</p>
      <form onSubmit={(event) => void submit(event)}>
        <label for="user">Your name</label>
        <input id="user" name="user" required autocomplete="username" maxLength={64} autofocus />
        <label for="password">
          Password <span class="hint">(none in a development cluster)</span></label>
        <input id="password" name="password" type="password" autocomplete="current-password" />
        <button type="submit" class="main" disabled={isBusy}>Start writing</button>
        <p class="error" role="alert">{error}</p>
      </form>
    </main>
  )
}
