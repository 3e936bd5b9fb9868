// Small pieces that several pages show.
import { colorIndex } from '../document/colors'

const kAvatarsMax = 5

const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
const initials = (name: string): string =>
  Array.from(letters.segment(name)).slice(0, 2).map(({ segment }) => segment).join('')

export function Avatars({ names }: { names: string[] }) {
  if (names.length === 0) return null
  return (
    <ul class="avatars" aria-label={`Here: ${names.join(', ')}`}>
      {names.slice(0, kAvatarsMax).map((name) => (
        <li key={name} class={`avatar color-${colorIndex(name)}`} title={name}>
          <span aria-hidden="true">{initials(name)}</span>
          <span class="unseen">{name}</span>
        </li>))}
      {names.length > kAvatarsMax && <li class="avatar more">+{names.length - kAvatarsMax}</li>}
    </ul>
  )
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })
export function ago(timeMs: string | undefined): string {
  if (!timeMs) return ''
  const seconds = Math.round((Number(timeMs) - Date.now()) / 1_000)
  if (seconds > -45) return 'just now'
  if (seconds > -45 * 60) return relative.format(Math.round(seconds / 60), 'minute')
  if (seconds > -22 * 3_600) return relative.format(Math.round(seconds / 3_600), 'hour')
  return new Date(Number(timeMs)).toLocaleDateString()
}

// To the millisecond.
export const exactClock = (timeMs: number): string => new Date(timeMs).toLocaleTimeString([], {
  hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3,
})

export const clock = (timeMs: number): string =>
  new Date(timeMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' })
