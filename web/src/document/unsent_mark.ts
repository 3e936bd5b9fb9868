// Notes of one open document whether edits of it are on this device alone, so that they are sent
// when its page is not open any more.
import type { Link } from './link'
import type { LocalCopy } from '../offline/local_copy'
import { forgetUnsent, isUnsent, noteUnsent } from '../offline/unsent'

const kSettleMs = 500

export interface UnsentMarkOptions { user: string; ref: string; link: Link; copy: LocalCopy }

export class UnsentMark {
  private hadUnsent = false
  private isNotedGone = false
  private timer = 0

  constructor(private readonly options: UnsentMarkOptions) {
    this.update()
  }

  // Something of the document, its connection or its copy has changed.
  update(): void {
    const { user, ref, link, copy } = this.options
    const hasUnsent = link.unsavedCount > 0 && copy.isKeeping
    if (hasUnsent && !this.hadUnsent) noteUnsent(user, { ref, name: link.name, gone: '' })
    this.hadUnsent = hasUnsent
    const isNews = link.isOver && !this.isNotedGone
    if (isNews && link.state.kind === 'denied' && isUnsent(user, ref)) {
      this.isNotedGone = true
      noteUnsent(user, { ref, name: link.name, gone: link.state.reason })
    }
    if (link.hasSentAll && this.timer === 0 && isUnsent(user, ref)) {
      this.timer = window.setTimeout(() => void this.forget(), kSettleMs)
    }
  }

  close(): void {
    clearTimeout(this.timer)
    this.timer = -1
  }

  // Unless another tab has left edits that are not in this document.
  private async forget(): Promise<void> {
    const { user, ref, link, copy } = this.options
    const hasAll = await copy.hasAll()
    if (this.timer === -1) return
    this.timer = 0
    if (hasAll && link.hasSentAll) forgetUnsent(user, ref)
  }
}
