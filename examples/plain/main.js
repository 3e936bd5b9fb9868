// A <textarea> that everybody writes in: Yjs and y-websocket as they come from npm, found through
// the import map of index.html.
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const parameters = new URLSearchParams(location.search)
const node = parameters.get('node') ?? 'http://127.0.0.1:8080'
const documentName = parameters.get('document') ?? 'notes'
const user = parameters.get('user') ?? 'guest'

const area = document.getElementById('text')
const status = document.getElementById('status')

// Who is not let in is told why.
async function login() {
  try {
    const answer = await fetch(`${node}/coterie.v1.AuthService/Login`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user }),
    })
    const body = await answer.json()
    if (!answer.ok) throw new Error(body.message)
    return body.token
  } catch (error) {
    status.textContent = `${user} cannot log in at ${node}: ${error.message}`
    throw error
  }
}
const token = await login()

const doc = new Y.Doc()
const text = doc.getText('text') // Where Coterie's own page and commands keep a document's text.
const provider = new WebsocketProvider(`${node.replace(/^http/, 'ws')}/yjs`,
  // It becomes a part of the address as it is.
  encodeURIComponent(documentName), doc, {
  // create: a document that is not there yet is made.
  params: { token, create: '1' },
})
provider.on('status', (event) => { status.textContent = event.status })
provider.on('sync', () => { area.disabled = false })

// What was typed is the difference between what both texts begin and end with alike.
area.addEventListener('input', () => {
  const before = text.toString()
  const after = area.value
  let begin = 0
  while (begin < before.length && before[begin] === after[begin]) ++begin
  let end = 0
  while (end < Math.min(before.length, after.length) - begin &&
    before.at(-1 - end) === after.at(-1 - end)) ++end
  doc.transact(() => {
    text.delete(begin, before.length - end - begin)
    text.insert(begin, after.slice(begin, after.length - end))
  }, area)
})

// Others' changes, with the caret staying where it is in the text.
text.observe((event, transaction) => {
  if (transaction.origin === area) return
  let { selectionStart, selectionEnd } = area
  let at = 0
  for (const { retain = 0, insert = '', delete: deleted = 0 } of event.delta) {
    at += retain
    const grown = insert.length - deleted
    if (at < selectionStart) selectionStart += grown
    if (at < selectionEnd) selectionEnd += grown
    at += insert.length
  }
  area.value = text.toString()
  area.setSelectionRange(selectionStart, selectionEnd)
})
