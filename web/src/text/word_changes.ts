// What a suggestion changes, word by word, so that only that is struck and underlined.
import { compareParts } from './lines'

// In `before`, from begin to end (UTF-16 units), `inserted` comes instead.
export interface WordChange { begin: number; end: number; inserted: string }

const kParts = /[\p{L}\p{M}\p{N}'’]+|\s+|[^]/gu
const partsOf = (text: string): string[] => text.match(kParts) ?? []

export function wordChanges(before: string, after: string): WordChange[] {
  const changes: WordChange[] = []
  let at = 0
  for (const { kind, text } of compareParts(partsOf(before), partsOf(after))) {
    const last = changes.at(-1)
    const begin = at
    if (kind !== 'added') at += text.length
    if (kind === 'same') continue
    const inserted = kind === 'added' ? text : ''
    // Two with nothing but a blank between them are read as one.
    const gap = last ? before.slice(last.end, begin) : ''
    if (last && (gap === '' || (gap.trim() === '' && !gap.includes('\n')))) {
      last.inserted += gap + inserted
      last.end = at
    } else {
      changes.push({ begin, end: at, inserted })
    }
  }
  return changes
}
