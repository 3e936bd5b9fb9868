// Says what of somebody's writing is on this device alone, and sends it as soon as it can.
import { useEffect, useState } from 'preact/hooks'

import { session } from '../cluster/api'
import { deleteCopy, readCopy } from '../offline/local_copy'
import { copyName, kRootText } from '../document/opened'
import { sendUnsent } from '../document/outbox'
import { messageOf } from '../cluster/poll'
import { documentLink } from '../browser/route'
import { saveAs } from '../browser/save_as'
import { toast } from '../browser/toasts'
import { forgetUnsent, listUnsent, type Unsent } from '../offline/unsent'

const kLookEveryMs = 1_000
const kSendEveryMs = 15_000
const kPatienceMs = 3_000 // What is on its way just now needs no mention.

function useUnsent(user: string): [Unsent[], () => void] {
  const [unsent, setUnsent] = useState(() => listUnsent(user))
  const look = () => setUnsent((known) => {
    const now = listUnsent(user)
    return JSON.stringify(now) === JSON.stringify(known) ? known : now
  })
  useEffect(() => {
    const send = () => void sendUnsent().catch(() => undefined).finally(look)
    send()
    const timers = [setInterval(look, kLookEveryMs), setInterval(send, kSendEveryMs)]
    addEventListener('online', send)
    return () => {
      for (const timer of timers) clearInterval(timer)
      removeEventListener('online', send)
    }
  }, [user])
  return [unsent, look]
}

function Gone({ user, unsent, onDone }: { user: string; unsent: Unsent; onDone: () => void }) {
  const { ref, name, gone } = unsent
  const save = () => void readCopy(copyName(user, ref)).then((doc) => {
    saveAs(name, doc.getText(kRootText).toString())
    doc.destroy()
  }).catch((error: unknown) => toast(messageOf(error)))
  const forget = () => {
    if (!confirm(`Throw what you wrote in “${name}” away, for good?`)) return
    void deleteCopy(copyName(user, ref)).then(() => {
      forgetUnsent(user, ref)
      onDone()
    }, (error: unknown) => toast(messageOf(error)))
  }
  return (
    <section class="note" aria-label={`What you wrote in ${name}`}>
      <p>What you wrote in <strong>{name}</strong> is on this device alone: {gone}.</p>
      <p class="actions"><button type="button" onClick={save}>Export</button>
        <button type="button" class="danger" onClick={forget}>Throw away</button></p>
    </section>
  )
}

export function UnsentStrip() {
  const user = session()?.user ?? ''
  const [unsent, look] = useUnsent(user)
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), kPatienceMs)
    return () => clearTimeout(timer)
  }, [])
  const waiting = isLate ? unsent.filter(({ gone }) => !gone) : []
  return (
    <>
      {waiting.length > 0 && <p class="note" role="status">
        Not sent yet, and on this device alone: your edits of{' '}
        {waiting.map(({ ref, name }, index) => <span key={ref}>
          {index > 0 && ', '}<a href={documentLink(name)}>{name}</a></span>)}.</p>}
      {unsent.filter(({ gone }) => gone).map((each) =>
        <Gone key={each.ref} user={user} unsent={each} onDone={look} />)}
    </>
  )
}
