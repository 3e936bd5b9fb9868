// Writes the editing trace in bench/data as one Yjs update: document.mjs FILE
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'

const trace = JSON.parse(gunzipSync(
  readFileSync(new URL('../data/automerge-paper.json.gz', import.meta.url))))
const doc = new Y.Doc()
doc.clientID = 1
const text = doc.getText('t')
for (const { patches } of trace.txns) {
  for (const [position, deleted, inserted] of patches) {
    if (deleted > 0) text.delete(position, deleted)
    if (inserted.length > 0) text.insert(position, inserted)
  }
}
if (text.toString() !== trace.endContent) throw new Error('the trace ends otherwise')
writeFileSync(process.argv[2], Y.encodeStateAsUpdate(doc))
