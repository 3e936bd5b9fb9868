// Tiptap on Coterie: the stock Hocuspocus provider with Coterie's URL and token.
import { HocuspocusProvider } from '@hocuspocus/provider'
import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import CollaborationCaret from '@tiptap/extension-collaboration-caret'
import StarterKit from '@tiptap/starter-kit'
import * as Y from 'yjs'

import { documentName, fail, login, node, say, user } from '../login.js'

const doc = new Y.Doc()
const provider = new HocuspocusProvider({
  // create: a document that is not there yet is made.
  url: `${node.replace(/^http/, 'ws')}/hocuspocus?create=1`,
  name: documentName,
  document: doc,
  token: login, // Asked with every connection.
  // Coterie says that when a majority of nodes has it on disk.
  onUnsyncedChanges: ({ number }) => say(number === 0 ? 'Saved' : 'Saving…'),
  onAuthenticationFailed: ({ reason }) => fail(reason),
})

const colors = ['#c2410c', '#15803d', '#2563eb', '#9333ea']
new Editor({
  element: document.getElementById('editor'),
  extensions: [
    StarterKit.configure({ undoRedo: false }), // Collaboration brings its own.
    Collaboration.configure({ document: doc }),
    CollaborationCaret.configure({
      provider, user: { name: user, color: colors[doc.clientID % colors.length] },
    }),
  ],
})
