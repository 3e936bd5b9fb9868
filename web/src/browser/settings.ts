// How somebody wants the page to be, in this browser; all of its tabs follow.
import { useEffect, useState } from 'preact/hooks'

import { keep, recall, recallJson } from './kept'

export type Theme = 'system' | 'light' | 'dark'
export type Face = 'serif' | 'sans' | 'mono'

export interface Settings {
  theme: Theme
  textSize: number // Of what is written, in CSS pixels.
  face: Face // And its typeface.
  hasSpellcheck: boolean
  announces: boolean // To screen readers, what others do.
  showsSuggestions: boolean // In the text; the panel lists them in any case.
  color: number | null // Of one's caret, one of the twelve; null = by the name.
}

export const kTextSizes = [14, 15, 16, 17, 18, 20, 22, 26] as const
const kDefault: Settings = {
  theme: 'system', textSize: 17, face: 'serif', hasSpellcheck: true, announces: true,
  showsSuggestions: true, color: null,
}
const kKey = 'coterie.settings'
const kOldTheme = 'coterie.theme'
const kColors = 12

const oneOf = <T>(value: unknown, allowed: readonly T[], otherwise: T): T =>
  allowed.find((each) => each === value) ?? otherwise
const flag = (value: unknown, otherwise: boolean): boolean =>
  (typeof value === 'boolean' ? value : otherwise)

// What was kept, as far as it means anything.
function read(): Settings {
  const kept = (recallJson(kKey) ?? {}) as Record<string, unknown>
  const color = Number.isInteger(kept.color) ? Number(kept.color) : -1
  return {
    theme: oneOf(kept.theme ?? recall(kOldTheme), ['system', 'light', 'dark'], kDefault.theme),
    textSize: oneOf<number>(kept.textSize, kTextSizes, kDefault.textSize),
    face: oneOf(kept.face, ['serif', 'sans', 'mono'], kDefault.face),
    hasSpellcheck: flag(kept.hasSpellcheck, kDefault.hasSpellcheck),
    announces: flag(kept.announces, kDefault.announces),
    showsSuggestions: flag(kept.showsSuggestions, kDefault.showsSuggestions),
    color: color >= 0 && color < kColors ? color : null,
  }
}

let current = read()
const listeners = new Set<() => void>()

export const settings = (): Settings => current

export function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function follow(next: Settings): void {
  current = next
  applySettings()
  for (const listener of [...listeners]) listener()
}

export function changeSettings(some: Partial<Settings>): void {
  const next = { ...current, ...some }
  keep(kKey, JSON.stringify(next))
  follow(next)
}

// As the style sheet reads them.
export function applySettings(): void {
  const { dataset, style } = document.documentElement
  if (current.theme === 'system') delete dataset.theme
  else dataset.theme = current.theme
  dataset.face = current.face
  style.setProperty('--text-size', `${current.textSize}px`)
}

export function watchSettings(): void {
  applySettings()
  addEventListener('storage', ({ key }) => {
    if (key === kKey || key === null) follow(read())
  })
}

export function useSettings(): Settings {
  const [shown, setShown] = useState(current)
  useEffect(() => subscribe(() => setShown(current)), [])
  return shown
}

// The other of the two, also when it was the system's choice so far.
export function toggleTheme(): void {
  const isDark = current.theme === 'system'
    ? matchMedia('(prefers-color-scheme: dark)').matches : current.theme === 'dark'
  changeSettings({ theme: isDark ? 'light' : 'dark' })
}
