// Drafts: what the cluster kept of somebody's writing while the document did not take it.
import { call, change, type Session } from '../cluster/api'

export interface Draft { documentId: string; user: string; savedAtMs?: string }
export interface DraftChange { positionBytes?: string; deleted?: string; inserted?: string }

const ref = ({ documentId, user }: Draft) => ({ document: { id: documentId }, user })

// One's own first; others' if one owns the document.
export async function listDrafts(id: string, who: Session | null): Promise<Draft[]> {
  const { drafts = [] } = await call<{ drafts?: Draft[] }>('DraftService/ListDrafts',
    { document: { id } })
  const isOwn = (draft: Draft) => draft.user === who?.user
  return [...drafts.filter(isOwn), ...drafts.filter((draft) => !isOwn(draft))]
}

// What merging it now would change in the text.
export async function changesOf(draft: Draft): Promise<DraftChange[]> {
  return (await call<{ changes?: DraftChange[] }>('DraftService/GetDraft', ref(draft))).changes ?? []
}

export const merge = (draft: Draft) => change('DraftService/MergeDraft', ref(draft))
export const discard = (draft: Draft) => change('DraftService/DropDraft', ref(draft))
