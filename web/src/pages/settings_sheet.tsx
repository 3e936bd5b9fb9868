// How somebody wants the page to be. All of it holds at once, in this browser.
import { useEffect, useState } from 'preact/hooks'

import { change, session } from '../cluster/api'
import { allColors, colorIndex, whoWrites } from '../document/colors'
import { forgetCopies, type Kept, whatIsKept } from '../document/device'
import { messageOf } from '../cluster/poll'
import {
  changeSettings, type Face, kTextSizes, type Settings, type Theme, useSettings,
} from '../browser/settings'
import { toast } from '../browser/toasts'
import { Dialog, DialogHead } from './dialog'

const kThemes: [Theme, string][] =
  [['system', 'as the system'], ['light', 'light'], ['dark', 'dark']]
const kFaces: [Face, string][] = [['serif', 'serif'], ['sans', 'sans-serif'], ['mono', 'monospace']]
const kColorNames = ['blue', 'orange', 'green', 'purple', 'rose', 'cyan', 'ochre', 'indigo', 'olive',
  'magenta', 'teal', 'red']

function Choice<T extends string>({ label, options, value, onChange }:
    { label: string; options: [T, string][]; value: T; onChange: (value: T) => void }) {
  return (
    <label class="setting"><span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {options.map(([each, name]) => <option key={each} value={each}>{name}</option>)}
      </select></label>
  )
}

function Switch({ label, name, shown }:
    { label: string; name: 'hasSpellcheck' | 'announces' | 'showsSuggestions'; shown: Settings }) {
  return (
    <label class="setting"><span>{label}</span>
      <input type="checkbox" role="switch" checked={shown[name]}
        onChange={(event) => changeSettings({ [name]: event.currentTarget.checked })} /></label>
  )
}

function ColorChoice({ user, shown }: { user: string; shown: Settings }) {
  whoWrites(user) // Of whom no document may be open.
  const now = colorIndex(user)
  return (
    <fieldset class="setting colors"><legend>Colour of your caret</legend>
      {allColors().map((color, index) => (
        <label key={color} class={`swatch color-${index}`} title={kColorNames[index]}>
          <input type="radio" name="color" class="unseen" checked={index === now}
            onChange={() => changeSettings({ color: index })} />
          <span class="unseen">{kColorNames[index]}</span>
          <span aria-hidden="true">{index === now ? '✓' : ''}</span></label>))}
      {shown.color !== null && <button type="button" class="quiet"
        onClick={() => changeSettings({ color: null })}>By the name</button>}
    </fieldset>
  )
}

function Password() {
  const [message, setMessage] = useState('')
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const data = new FormData(form)
    try {
      await change('AuthService/SetPassword',
        { oldPassword: String(data.get('old')), newPassword: String(data.get('new')) })
      form.reset()
      setMessage('Changed. Other sessions of yours have ended.')
    } catch (caught) {
      setMessage(messageOf(caught))
    }
  }
  return (
    <details><summary>Change the password</summary>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <label for="old-password">Password now</label>
        <input id="old-password" name="old" type="password" autocomplete="current-password" />
        <label for="new-password">New password</label>
        <input id="new-password" name="new" type="password" required
          autocomplete="new-password" />
        <button type="submit">Change</button>
        <p role="status">{message}</p>
      </form></details>
  )
}

function Device({ user }: { user: string }) {
  const [kept, setKept] = useState<Kept | null>(null)
  const look = () => void whatIsKept(user).then(setKept)
  useEffect(look, [user])
  if (!kept) return <p class="hint">This browser does not say what it keeps.</p>
  const forget = () => forgetCopies(user)
    .then(() => toast('The copies are removed from this device.'),
      (caught: unknown) => toast(messageOf(caught))).finally(look)
  const persist = () => void navigator.storage.persist().then((isGranted) => {
    if (!isGranted) toast('The browser did not agree.')
    look()
  })
  return (
    <>
      <p class="hint">{kept.copies === 1 ? 'A copy of 1 document' : `Copies of ${
        kept.copies} documents`}, for when no node answers
        {kept.bytes > 0 && `; the page keeps ${(kept.bytes / 1e6).toFixed(1)} MB in all`}.{' '}
        {!kept.isPersistent && 'The browser may clear them when it needs room.'}</p>
      <p class="actions">
        <button type="button" disabled={kept.copies === 0}
          onClick={() => void forget()}>Remove them</button>
        {!kept.isPersistent && isSecureContext &&
          <button type="button" onClick={persist}>Keep them always</button>}
      </p>
    </>
  )
}

export function SettingsSheet() {
  const shown = useSettings()
  const user = session()?.user
  return (
    <Dialog label="Settings" kind="sheet">
      <DialogHead title="Settings" />
      <h3>Look</h3>
      <Choice label="Theme" options={kThemes} value={shown.theme}
        onChange={(theme) => changeSettings({ theme })} />
      <Choice label="Size of the text" value={String(shown.textSize)}
        options={kTextSizes.map((size) => [String(size), `${size} px`])}
        onChange={(size) => changeSettings({ textSize: Number(size) })} />
      <Choice label="Typeface of the text" options={kFaces} value={shown.face}
        onChange={(face) => changeSettings({ face })} />
      <h3>Writing</h3>
      <Switch label="Check spelling while typing" name="hasSpellcheck" shown={shown} />
      <Switch label="Show the AI's suggestions in the text" name="showsSuggestions" shown={shown} />
      <Switch label="Tell screen readers what others do" name="announces" shown={shown} />
      {user && <>
        <h3>You</h3>
        <p class="hint">You write as <strong>{user}</strong>.</p>
        <ColorChoice user={user} shown={shown} />
        <Password />
        <h3>This device</h3>
        <Device user={user} />
      </>}
    </Dialog>
  )
}
