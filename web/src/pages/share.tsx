import { useState } from 'preact/hooks'

import { call, change, type Document, type Grant, type Role } from '../cluster/api'
import { messageOf, usePoll } from '../cluster/poll'
import { toast } from '../browser/toasts'

const kRoles: [Role, string][] = [
  ['ROLE_NONE', 'no access'], ['ROLE_VIEWER', 'may read'], ['ROLE_EDITOR', 'may write'],
  ['ROLE_OWNER', 'owns it'],
]

function RoleChoice({ grant, label, disabled, onChange }:
    { grant: Grant; label: string; disabled: boolean; onChange: (role: Role) => void }) {
  return (
    <select aria-label={label} value={grant.role ?? 'ROLE_NONE'} disabled={disabled}
      onChange={(event) => onChange(event.currentTarget.value as Role)}>
      {kRoles.map(([role, name]) => (role !== 'ROLE_OWNER' || grant.user) &&
        <option key={role} value={role}>{name}</option>)}
    </select>
  )
}

async function load(id: string) {
  const [{ document }, { users }] = await Promise.all([
    call<{ document: Document }>('DocumentService/GetDocument',
      { document: { id }, withoutText: true }),
    call<{ users?: { name: string }[] }>('AuthService/ListUsers'),
  ])
  return { document, users: (users ?? []).map((user) => user.name) }
}

export function Share({ id, onClose }: { id: string; onClose: () => void }) {
  const { value, error, reload } = usePoll(() => load(id), 3_000, id)
  const [message, setMessage] = useState('')
  const document = value?.document
  // By their names, and everybody else last.
  const grants = [...(document?.grants ?? [])].sort((a, b) =>
    Number(!a.user) - Number(!b.user) || ((a.user ?? '') < (b.user ?? '') ? -1 : 1))
  const isOwner = document?.role === 'ROLE_OWNER'
  const give = async (user: string, role: Role) => {
    try {
      await change('DocumentService/ShareDocument', { document: { id }, grant: { user, role } })
      setMessage(user ? `${user} was told at once.` : 'Everybody was told at once.')
    } catch (caught) {
      setMessage(messageOf(caught))
    }
    reload()
  }
  const copyLink = () => navigator.clipboard.writeText(location.href)
    .then(() => toast('The link is copied'), (caught: unknown) => setMessage(messageOf(caught)))
  const add = (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const data = new FormData(form)
    void give(String(data.get('user')).trim(), String(data.get('role')) as Role)
    form.reset()
  }
  return (
    <section class="side" aria-label="Share">
      <div class="side-head"><h2>Share</h2>
        <button type="button" class="quiet" onClick={onClose}>Close</button></div>
      <p role="status">{message || (error ? messageOf(error) : '')}</p>
      {document && <ul class="grants">
        {grants.every(({ user }) => user !== document.owner) &&
          <li><span>{document.owner}</span><span class="hint">made it</span></li>}
        {grants.map((grant) => <li key={grant.user ?? ''}>
          <span>{grant.user ?? 'Everybody else'}
            {grant.user === document.owner && <span class="hint"> made it</span>}</span>
          <RoleChoice grant={grant} disabled={!isOwner}
            label={`Role of ${grant.user ?? 'everybody else'}`}
            onChange={(role) => void give(grant.user ?? '', role)} />
        </li>)}
      </ul>}
      {isOwner && <form class="stack" onSubmit={add}>
        <label for="share-user">Somebody else</label>
        <input id="share-user" name="user" list="share-users" required autocomplete="off" />
        <datalist id="share-users">
          {(value?.users ?? []).map((name) => <option key={name} value={name} />)}
        </datalist>
        <label for="share-role">may</label>
        <select id="share-role" name="role">
          <option value="ROLE_EDITOR">write</option>
          <option value="ROLE_VIEWER">read</option>
          <option value="ROLE_NONE">not even see it</option>
          <option value="ROLE_OWNER">own it</option>
        </select>
        <button type="submit" class="main">Share</button>
      </form>}
      {isSecureContext && <p class="actions"><button type="button" onClick={() => void copyLink()}>
        Copy the link</button></p>}
      {document && !isOwner && <p class="hint">Only an owner can change this.</p>}
    </section>
  )
}
