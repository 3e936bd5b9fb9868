// The versions of a document as a writer reads them.
import type { Version } from './api'

export const kVersionsPage = 500
const kSittingMs = 60_000 // Edits of one author that follow each other closer are one line.

// Newest first, each once. Revisions are 64 bits, in decimal.
export function merge(known: readonly Version[], page: readonly Version[]): Version[] {
  const all = new Map([...known, ...page].map((version) => [version.revision, version]))
  return [...all.values()].sort((a, b) => (BigInt(a.revision) < BigInt(b.revision) ? 1 : -1))
}

// The newest version of each sitting, newest first.
export function sittings(versions: readonly Version[]): Version[] {
  const shown: Version[] = []
  let last: Version | null = null
  for (const version of versions) {
    const isSame = last !== null && last.author === version.author && last.kind === version.kind &&
      Number(last.timeMs) - Number(version.timeMs) < kSittingMs
    if (!isSame) shown.push(version)
    last = version
  }
  return shown
}
