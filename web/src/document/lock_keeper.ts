// The document's lock in the hands of who writes here: taken, renewed while it is held, given back.
// Whether it is held is the cluster's word alone, so that a reload, an answer that was lost or an
// owner who broke it leave nothing wrong here. One call at a time: no renewal takes again what was
// just given back. Nor what ran out while the machine slept: others may have written since.
import { change, type Lock } from '../cluster/api'

const kLockMs = 120_000
const kRenewMs = 40_000
const kSoonMs = 5_000 // After a failure, and of a lock that was not taken by this page.
const kRestoreLockMs = 10_000

export class LockKeeper {
  private isHeld = false
  private isGivenBack = false // And the cluster's word of it is on its way.
  private isClosed = false
  private timer = 0
  private heldUntil = 0 // At least, by this device's clock, which goes on in its sleep.
  private last: Promise<unknown> = Promise.resolve()
  private readonly document: { id: string }

  constructor(id: string) {
    this.document = { id }
  }

  // What the document's socket says; also after it was away.
  observe(isHeld: boolean): void {
    if (isHeld === this.isHeld) return
    this.isHeld = isHeld
    this.isGivenBack = false
    clearTimeout(this.timer)
    if (isHeld) {
      this.heldUntil = Math.max(this.heldUntil, Date.now() + kSoonMs + kRenewMs)
      this.renewIn(kSoonMs)
    }
  }

  take(): Promise<void> {
    return this.after(async () => {
      this.isGivenBack = false
      await this.lock(kLockMs)
    })
  }

  giveBack(): Promise<void> {
    return this.after(() => this.unlock())
  }

  // Makes an earlier version the newest. Nobody may write between reading and writing it; the lock
  // stays with who has it already, as long as before.
  restore(version: string): Promise<void> {
    return this.after(async () => {
      const wasHeld = this.isHeld && !this.isGivenBack
      const { token } = await this.lock(wasHeld ? kLockMs : kRestoreLockMs)
      try {
        await change('DocumentService/RestoreVersion',
          { document: this.document, lockToken: token, version })
      } finally {
        if (!wasHeld) await this.unlock()
      }
    })
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
  }

  private async lock(ttlMs: number): Promise<Lock & { token: string }> {
    const end = Date.now() + ttlMs
    const { lock } = await change<{ lock: Lock & { token: string } }>(
      'DocumentService/LockDocument', { document: this.document, ttlMs: String(ttlMs) })
    this.heldUntil = end
    return lock
  }

  private async unlock(): Promise<void> {
    await change('DocumentService/UnlockDocument', { document: this.document })
    this.isGivenBack = true
  }

  private after(run: () => Promise<void>): Promise<void> {
    const done = this.last.then(run)
    this.last = done.catch(() => undefined)
    return done
  }

  private renewIn(delayMs: number): void {
    clearTimeout(this.timer)
    if (this.isClosed) return
    this.timer = window.setTimeout(() => {
      const renewed = this.after(async () => {
        const isOurs = this.isHeld && !this.isGivenBack && Date.now() < this.heldUntil
        if (isOurs && !this.isClosed) await this.lock(kLockMs)
      })
      const again = (nextMs: number) => { if (this.isHeld) this.renewIn(nextMs) }
      renewed.then(() => again(kRenewMs), () => again(kSoonMs))
    }, delayMs)
  }
}
