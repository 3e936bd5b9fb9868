// The versions of a document as a writer reads them.
import type { Version } from '../cluster/api'

export const kVersionsPage = 500
const kSittingMs = 60_000 // Edits of the same people that follow each other closer are one line.

// Newest first, each once. Revisions are 64 bits, in decimal.
export function merge(known: readonly Version[], page: readonly Version[]): Version[] {
  const all = new Map([...known, ...page].map((version) => [version.revision, version]))
  return [...all.values()].sort((a, b) => (BigInt(a.revision) < BigInt(b.revision) ? 1 : -1))
}

// "tom with AI for mia"; of one's own, "mia with AI".
export function authorOf({ author = 'the cluster', assistant = '' }: Version): string {
  if (assistant === '') return author
  const own = ` for ${author}`
  return `${author} with ${assistant.endsWith(own) ? assistant.slice(0, -own.length) : assistant}`
}

const isWithin = (some: readonly string[], others: readonly string[]) =>
  some.every((name) => others.includes(name))

// The newest version of each sitting, newest first, with all who wrote in it.
export function sittings(versions: readonly Version[]): Version[] {
  const shown: Version[] = []
  let last: Version | null = null
  let sitting: string[] = []
  for (const version of versions) {
    const authors = version.authors ?? [version.author ?? '']
    const isSame = last !== null && last.kind === version.kind && last.assistant === version.assistant &&
      (isWithin(authors, sitting) || isWithin(sitting, authors)) &&
      Number(last.timeMs) - Number(version.timeMs) < kSittingMs
    const newest = shown[shown.length - 1]
    if (isSame && newest) {
      const news = authors.filter((name) => !sitting.includes(name))
      sitting.push(...news)
      if (news.length > 0) shown[shown.length - 1] = { ...newest, author: sitting.join(', ') }
    } else {
      sitting = [...authors]
      shown.push(version)
    }
    last = version
  }
  return shown
}
