// On how many nodes' disks the open document is, asked for some moments after an edit was saved: a
// majority has it by then, and the others follow. Nothing is claimed of a node that has not said so
// itself, nor of what was written since it was asked.
import { authorization, CallError, errorFrom } from '../cluster/api'

const kSettleMs = 250
const kAgainMinMs = 2_000
const kAgainMaxMs = 16_000
const kPatienceMs = 4_000

export interface Durability {
  revision: number // The place in the log of the document's newest version,
  term: number // and its term; 0 = not known any more.
  voters: string[]
  holders: string[] // Of those.
}

interface Answer { revision?: string; term?: string; voterIds?: string[]; holderIds?: string[] }

// Of one node and no other: the page does not move because of this.
export async function askDurability(origin: string, id: string, patienceMs = kPatienceMs):
    Promise<Durability> {
  const answer = await fetch(`${origin}/coterie.v1.ClusterService/GetDurability`, {
    method: 'POST', body: JSON.stringify({ document: { id } }),
    headers: { 'content-type': 'application/json', ...authorization() },
    signal: AbortSignal.timeout(patienceMs),
  })
  const body: unknown = await answer.json()
  if (!answer.ok) throw errorFrom(body, `HTTP ${answer.status}`)
  const { revision = '0', term = '0', voterIds = [], holderIds = [] } = body as Answer
  return { revision: Number(revision), term: Number(term), voters: voterIds, holders: holderIds }
}

export interface DurabilityOptions {
  ask: () => Promise<Durability>
  isHidden: () => boolean
  onChange: () => void
}

export class DurabilityKeeper {
  known: Durability | null = null // Null: a majority, and more is not known.
  private saves = -1 // For which it is known, or asked; -1: it is not saved.
  private againMs = kAgainMinMs
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly options: DurabilityOptions) {}

  // `saves` counts what was acknowledged: another number, and what was known is of an older text.
  observe(isSaved: boolean, saves: number): void {
    const now = isSaved ? saves : -1
    if (now === this.saves) return
    this.saves = now
    this.known = null
    this.againMs = kAgainMinMs
    clearTimeout(this.timer)
    if (isSaved) this.schedule(kSettleMs)
  }

  close(): void {
    this.saves = -1
    clearTimeout(this.timer)
  }

  private schedule(inMs: number): void {
    this.timer = setTimeout(() => void this.ask(), inMs)
  }

  private scheduleAgain(): void {
    this.schedule(this.againMs)
    this.againMs = Math.min(2 * this.againMs, kAgainMaxMs)
  }

  private async ask(): Promise<void> {
    if (this.options.isHidden()) return this.schedule(kAgainMinMs)
    const { saves } = this
    try {
      const found = await this.options.ask()
      if (saves !== this.saves) return
      this.known = found
      this.options.onChange()
      if (found.holders.length < found.voters.length) this.scheduleAgain()
    } catch (error) {
      // A node of an older version does not know.
      if (error instanceof CallError && error.code === 'unimplemented') return
      if (saves === this.saves) this.scheduleAgain()
    }
  }
}
