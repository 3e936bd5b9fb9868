// The documents that the user may see, the newest change first, as far as somebody looks: a cluster
// may have a million of them.
import { call, type Document } from './api'

export interface DocumentList {
  documents: Document[]
  query: string // What they have in their names.
  hasMore: boolean
}

// Of a page that a node answers with: it looks at a few thousand documents at most, and holds 1000.
const kPageMax = 1_000
// One step of looking: how many are listed, and in how many answers.
const kShownEach = 200
const kAnswersEach = 10

// `steps` of them, from 1 on. It ends early when there are no more.
export async function listDocuments(query: string, steps: number, isStale = false):
    Promise<DocumentList> {
  const wanted = kShownEach * steps
  const byId = new Map<string, Document>() // One that changes meanwhile may be in two pages.
  let pageToken = ''
  for (let answers = 0; answers < kAnswersEach * steps && byId.size < wanted; ++answers) {
    const answer = await call<{ documents?: Document[]; nextPageToken?: string }>(
      'DocumentService/ListDocuments', {
        order: 'DOCUMENT_ORDER_CHANGED', nameContains: query, pageToken,
        pageSize: Math.min(wanted - byId.size, kPageMax),
        ...(isStale ? { consistency: 'CONSISTENCY_STALE' } : {}),
      })
    for (const document of answer.documents ?? []) {
      if (!byId.has(document.id)) byId.set(document.id, document)
    }
    pageToken = answer.nextPageToken ?? ''
    if (!pageToken) break
  }
  return { documents: [...byId.values()], query, hasMore: pageToken !== '' }
}
