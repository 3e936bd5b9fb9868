// Sends what was typed offline in documents whose pages are not open any more.
import { type Session, session } from '../cluster/api'
import { leave, open } from './opened'
import { toast } from '../browser/toasts'
import { isUnsent, listUnsent, type Unsent } from '../offline/unsent'

const kPatienceMs = 20_000
const kLookEveryMs = 250

let isBusy = false

// Whether it has become a draft, so that what this device keeps of it is to be looked at again.
async function send({ ref, name }: Unsent, who: Session): Promise<boolean> {
  let isDraft = false
  const listener = {
    onChange: () => undefined,
    onRenamed: () => undefined,
    onKept: () => {
      isDraft = true
      toast(`“${name}” may not be written now: your edits are kept as a draft.`)
    },
  }
  const opened = await open(name, who, listener, { ref, isSilent: true })
  const end = performance.now() + kPatienceMs
  const isWaiting = () => isUnsent(who.user, ref) && !opened.link.isOver && !isDraft
  while (performance.now() < end && isWaiting()) {
    await new Promise((done) => setTimeout(done, kLookEveryMs))
  }
  leave(opened, who.user)
  return isDraft
}

// One after the other; what does not get through stays, for the next time.
export async function sendUnsent(): Promise<void> {
  const who = session()
  if (!who || isBusy) return
  isBusy = true
  try {
    for (const each of listUnsent(who.user).filter(({ gone }) => !gone)) {
      if (await send(each, who)) await send(each, who)
    }
  } finally {
    isBusy = false
  }
}
