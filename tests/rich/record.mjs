#!/usr/bin/env node
// Makes documents as rich editors make them, with the editors' own schemas and bindings, and prints
// them as src/crdt/testdata/rich/documents.txt keeps them: a line "name root base64-of-the-update"
// each. What Coterie says of them is in markdown.txt beside it.
//
//   npm ci --prefix tests/rich && node tests/rich/record.mjs > src/crdt/testdata/rich/documents.txt
//
// Tiptap and ProseMirror: y-prosemirror writes a document of the schema into the fragment, as it does
// in an editor. BlockNote brings an editor for servers.
import { ServerBlockNoteEditor } from '@blocknote/server-util'
import { getSchema } from '@tiptap/core'
import Image from '@tiptap/extension-image'
import Link from '@tiptap/extension-link'
import Table from '@tiptap/extension-table'
import TableCell from '@tiptap/extension-table-cell'
import TableHeader from '@tiptap/extension-table-header'
import TableRow from '@tiptap/extension-table-row'
import TaskItem from '@tiptap/extension-task-item'
import TaskList from '@tiptap/extension-task-list'
import StarterKit from '@tiptap/starter-kit'
import { Schema } from '@tiptap/pm/model'
import { schema as basic } from 'prosemirror-schema-basic'
import { addListNodes } from 'prosemirror-schema-list'
import { prosemirrorJSONToYXmlFragment } from 'y-prosemirror'
import * as Y from 'yjs'

const text = (string, ...marks) => ({
  type: 'text',
  text: string,
  ...(marks.length > 0 ? { marks: marks.map(mark => typeof mark === 'string' ? { type: mark } : mark) } : {})
})
const node = (type, attrs, ...content) => ({ type, attrs, ...(content.length > 0 ? { content } : {}) })
const paragraph = (...content) => node('paragraph', {}, ...content.map(c => typeof c === 'string' ? text(c) : c))

const tiptapSchema = getSchema([
  StarterKit, Link, Image.configure({ inline: true }), Table, TableRow, TableCell, TableHeader, TaskList,
  TaskItem.configure({ nested: true })
])
const tiptap = node('doc', {},
  node('heading', { level: 1 }, text('Plan for '), text('June', 'italic')),
  paragraph('It is ', text('very ', 'bold'), text('urgent', 'bold', 'italic'), ', see ',
    text('the list', { type: 'link', attrs: { href: 'https://example.org/a' } }), '.',
    node('hardBreak', {}), 'Run ', text('make all', 'code'), text(' now', 'strike')),
  node('bulletList', {},
    node('listItem', {}, paragraph('one'),
      node('orderedList', { start: 3 },
        node('listItem', {}, paragraph('three')), node('listItem', {}, paragraph('four')))),
    node('listItem', {}, paragraph('two €'))),
  node('taskList', {},
    node('taskItem', { checked: true }, paragraph('done')),
    node('taskItem', { checked: false }, paragraph('open'))),
  node('blockquote', {}, paragraph('said'), paragraph('twice')),
  node('codeBlock', { language: 'c' }, text('int main() {\n  return 0;\n}')),
  node('horizontalRule', {}),
  node('table', {},
    node('tableRow', {}, node('tableHeader', {}, paragraph('name')), node('tableHeader', {}, paragraph('n'))),
    node('tableRow', {}, node('tableCell', {}, paragraph('a|b')), node('tableCell', {}, paragraph(text('1', 'bold'))))),
  paragraph(node('image', { src: 'a.png', alt: 'a cat' })),
  paragraph())

const proseSchema = new Schema({ nodes: addListNodes(basic.spec.nodes, 'paragraph block*', 'block'), marks: basic.spec.marks })
const prose = node('doc', {},
  node('heading', { level: 2 }, text('Title')),
  paragraph(text('strong', 'strong'), ' and ', text('em', 'em')),
  node('ordered_list', { order: 1 }, node('list_item', {}, paragraph('first')), node('list_item', {}, paragraph('second'))),
  node('bullet_list', {}, node('list_item', {}, paragraph('point'))),
  node('code_block', {}, text('x = `y`')))

const block = (type, props, content, ...children) => ({ type, props, content, children })
const bold = string => ({ type: 'text', text: string, styles: { bold: true, textColor: 'red' } })
const plain = string => ({ type: 'text', text: string, styles: {} })
const blockNote = [
  block('heading', { level: 3 }, 'Shopping'),
  block('paragraph', {}, [plain('For '), bold('Sunday'), plain(', see '),
    { type: 'link', href: 'https://example.org', content: 'here' }], block('paragraph', {}, 'nested')),
  block('bulletListItem', {}, 'fruit', block('bulletListItem', {}, 'apples'), block('numberedListItem', {}, 'the red ones')),
  block('bulletListItem', {}, 'bread'),
  block('numberedListItem', { start: 2 }, 'go'),
  block('numberedListItem', {}, 'pay'),
  block('checkListItem', { checked: true }, 'cash'),
  block('checkListItem', {}, 'card'),
  block('quote', {}, 'Less is more'),
  block('codeBlock', { language: 'javascript' }, 'let a = 1'),
  block('image', { url: 'b.png', caption: 'a bag' }),
  block('table', {}, { type: 'tableContent', headerRows: 1, rows: [{ cells: ['what', 'price'] }, { cells: ['apple', '2'] }] }),
  block('paragraph', {}, '')
]

const print = (name, root, doc) =>
  console.log(name, root, Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64'))

const record = (name, root, schema, json) => {
  const doc = new Y.Doc()
  doc.clientID = 7
  prosemirrorJSONToYXmlFragment(schema, schema.nodeFromJSON(json).toJSON(), doc.getXmlFragment(root))
  print(name, root, doc)
}

record('tiptap', 'default', tiptapSchema, tiptap)
record('prosemirror', 'prosemirror', proseSchema, prose)
print('blocknote', 'document-store', ServerBlockNoteEditor.create().blocksToYDoc(blockNote, 'document-store'))
process.exit(0) // BlockNote's page would go on.
