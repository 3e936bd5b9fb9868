// For screen readers: what happens, gathered, at most every few seconds.
import { settings } from './settings'

const kEveryMs = 4_000
let waiting: string[] = []
let timer = 0

export function announce(message: string): void {
  waiting.push(message)
  if (timer !== 0) return
  timer = window.setTimeout(() => {
    const region = document.getElementById('announcements')
    if (region) region.textContent = waiting.slice(-4).join('. ')
    waiting = []
    timer = 0
  }, waiting.length > 1 ? kEveryMs : 200)
}

// What others do: who reads with the ears may have enough of that.
export function announceOthers(message: string): void {
  if (settings().announces) announce(message)
}
