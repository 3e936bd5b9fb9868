// For screen readers: what others do, gathered, at most every few seconds.
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
