// Edits that the cluster makes on a writer's behalf, as accepting a suggestion is: they come as
// everybody's edits do, and are entered here as the writer's own, to be undone.
import * as Y from 'yjs'

// Keeps the letters between these positions in memory when they are deleted, as the undo manager
// keeps those that its own writer deletes.
export function keepRange(text: Y.Text, begin: number, end: number): void {
  let at = 0
  for (let item = text._start; item !== null && at < end; item = item.right) {
    if (item.deleted || !item.countable) continue
    at += item.length
    if (at > begin) item.keep = true
  }
}

// Requires that the document has it, or waits for what it builds on.
export function rememberEdit(undo: Y.UndoManager, update: Uint8Array): void {
  const { structs, ds } = Y.decodeUpdate(update)
  const insertions = Y.createDeleteSet()
  for (const struct of structs) {
    if (!(struct instanceof Y.Item)) continue
    const { client, clock } = struct.id
    const ranges = insertions.clients.get(client) ?? []
    ranges.push({ clock, len: struct.length })
    insertions.clients.set(client, ranges)
  }
  for (const ranges of insertions.clients.values()) ranges.sort((a, b) => a.clock - b.clock)
  undo.clear(false, true) // What was undone before cannot be done again after another edit.
  undo.undoStack.push({ insertions, deletions: ds, meta: new Map() })
  undo.stopCapturing() // What is typed next is a step of its own.
}
