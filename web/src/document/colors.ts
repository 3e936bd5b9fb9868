// A writer's colour: one of twelve, by the name, so that everybody sees the same one, unless its
// writer has chosen another of them. The page uses the class alone; the value is for other editors,
// which read it from the awareness.
import { settings } from '../browser/settings'

// A caret of each is seen on the light and on the dark page (3:1), and white letters on each (4.5:1).
const kColors = ['#2563eb', '#c2410c', '#15803d', '#9333ea', '#be123c', '#0e7490', '#a16207',
  '#6050e6', '#4d7c0f', '#b322c4', '#0f766e', '#d02323']
const kKnownMax = 1_000

const chosen = new Map<string, number>() // By name, of those whose word we have.

function hashOf(name: string): number {
  let hash = 2_166_136_261
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619)
  }
  return (hash >>> 0) % kColors.length
}

export const colorIndex = (name: string): number => chosen.get(name) ?? hashOf(name)
export const allColors = (): readonly string[] => kColors

// What a peer says of itself: one of the twelve, or nothing that is listened to.
export function learnColor(name: string, told: unknown): void {
  const index = typeof told === 'string' ? kColors.indexOf(told) : -1
  if (index === -1 || index === hashOf(name)) chosen.delete(name)
  else if (chosen.size < kKnownMax) chosen.set(name, index)
}

// What one's own awareness says of oneself.
export function whoWrites(name: string): { name: string; color: string } {
  const color = kColors[settings().color ?? hashOf(name)] ?? '#808080'
  learnColor(name, color)
  return { name, color }
}
