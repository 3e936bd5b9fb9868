// Monaco, the editor of VS Code, on Coterie: y-monaco and the stock Hocuspocus provider.
import { HocuspocusProvider } from '@hocuspocus/provider'
import * as monaco from 'monaco-editor/esm/vs/editor/editor.api.js'
import 'monaco-editor/esm/vs/basic-languages/markdown/markdown.contribution.js'
import { MonacoBinding } from 'y-monaco'
import * as Y from 'yjs'

import { documentName, fail, login, node, say, user } from '../login.js'

self.MonacoEnvironment = { getWorker: () => new Worker('built/worker.js') }

const doc = new Y.Doc()
const text = doc.getText('text') // Where Coterie's own page and commands keep a document's text.
const provider = new HocuspocusProvider({
  url: `${node.replace(/^http/, 'ws')}/hocuspocus?create=1`,
  name: documentName,
  document: doc,
  token: login,
  onUnsyncedChanges: ({ number }) => say(number === 0 ? 'Saved' : 'Saving…'),
  onAuthenticationFailed: ({ reason }) => fail(reason),
})
provider.awareness.setLocalStateField('user', { name: user, color: '#2563eb' })

const editor = monaco.editor.create(document.getElementById('editor'), {
  language: 'markdown', automaticLayout: true, minimap: { enabled: false }, wordWrap: 'on',
  accessibilitySupport: 'on',
})
editor.getModel().setEOL(monaco.editor.EndOfLineSequence.LF) // As everybody counts positions.
new MonacoBinding(text, editor.getModel(), new Set([editor]), provider.awareness)
