#!/usr/bin/env node
// Writes src/crdt/testdata/yjs/*.txt: what the real Yjs does, so that the engine's unit tests need no
// Node. recorder.mjs says how to read them. `node tests/yjs/vectors.mjs`, then review the difference.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import * as Y from 'yjs'
import { Recorder } from './recorder.mjs'

console.warn = console.error = console.log = () => {} // Yjs says where it is loaded twice.

const kFolder = new URL('../../src/crdt/testdata/yjs/', import.meta.url)
const require = createRequire(import.meta.url)
const base64 = bytes => Buffer.from(bytes).toString('base64')
const insert = (target, position, text, attributes) => ['text.insert', target, position, text, attributes]
const type = (name, more = {}) => ({ $type: name, ...more })

const files = {}
const vector = (file, name, about, record, roots, options) => {
  const recorder = new Recorder(name, [about].flat(), options)
  record(recorder)
  ;(files[file] ??= []).push(recorder.end(...roots))
}

// -- content of every kind --
vector('content', 'text-of-one-to-four-bytes', 'Lengths and clocks count UTF-16 units.', r => {
  r.edit(insert('t:t', 0, 'aé€😀\u0000\ufeffz'))
  r.edit(['text.delete', 't:t', 1, 1])
}, ['t:t'])
vector('content', 'any', 'Values of every type that `any` has, from the integers at the edges of varInt on.', r => {
  r.edit(['list.insert', 'a:a', 0, [0, 1, -1, 63, 64, -64, 2147483647, -2147483647, 2147483648, -2147483648,
    1.5, 0.1, 1099511627776, { $number: '-0' }, { $number: 'NaN' }, { $number: 'Infinity' },
    's', '', true, false, null, [{ $undefined: 1 }, { $bigint: '9007199254740993' }, { $bytes: 'AQI=' }], { a: {}, b: [1, { c: null }] }, [], [[]]]])
}, ['a:a'])
vector('content', 'binary-and-subdocuments', 'Items of length one between others of `any`.', r => {
  r.edit(['list.insert', 'a:a', 0, [1, { $bytes: 'AQI=' }, 2, { $doc: 'guid-1', options: { autoLoad: true, meta: { k: 1 } } }, { $bytes: '' }]])
  r.edit(['map.set', 'm:m', 'sub', { $doc: 'guid-2', options: { gc: false } }], ['map.set', 'm:m', 'bytes', { $bytes: '/w==' }])
}, ['a:a', 'm:m'])
vector('content', 'embeds-and-marks', 'Rich text: embeds, marks with values of every type, nested types in a text.', r => {
  r.edit(insert('t:t', 0, 'plain'), ['text.embed', 't:t', 2, { image: 'u', size: [1, 2] }, { link: 'x' }])
  r.edit(insert('t:t', 0, 'bold', { bold: true, size: 1.5, who: { id: 1 } }))
  r.edit(['text.format', 't:t', 2, 5, { bold: null, italic: 'yes' }])
  r.edit(['text.embed', 't:t', 3, type('Map')], ['map.set', 0, 'k', 1])
}, ['t:t'])
vector('content', 'types-in-types', 'Every kind of shared type, nested.', r => {
  r.edit(['list.insert', 'a:a', 0, [type('Array', { content: [1, type('Array')] }), type('Map', { content: { k: type('Text', { content: 'in' }) } })]])
  r.edit(['map.set', 'm:m', 'x', type('XmlElement', { name: 'p' })], ['map.set', 'm:m', 'f', type('XmlFragment')], ['map.set', 'm:m', 'h', type('XmlHook', { name: 'hook' })])
}, ['a:a', 'm:m'])
vector('content', 'xml', 'Elements, attributes, texts with marks, of which each opens a tag.', r => {
  r.edit(['list.insert', 'x:x', 0, [type('XmlElement', { name: 'h1' }), type('XmlText', { content: 'between' })]])
  r.edit(['attribute.set', 0, 'id', 'top'], ['attribute.set', 0, 'class', 'a'], ['attribute.set', 0, 'id', 'new'], ['attribute.delete', 0, 'class'])
  r.edit(['list.insert', 0, 0, [type('XmlText', { content: 'hello' })]])
  r.edit(['text.format', 2, 1, 3, { b: {}, i: { at: 1 } }])
}, ['x:x'])
vector('content', 'legacy-json', 'ContentJSON, which only the prereleases of Yjs 13 wrote; undefined is the bare word.', r => {
  const old = new Y.Doc()
  old.clientID = 7
  const array = old.getArray('a')
  old.transact(transaction => {
    const content = new Y.ContentJSON([{ a: [1] }, 'text', null, undefined, 1.5])
    new Y.Item(Y.createID(7, 0), null, null, null, null, array, null, content).integrate(transaction, 0)
  })
  r.apply(base64(Y.encodeStateAsUpdate(old)))
  r.edit(['list.delete', 'a:a', 1, 1], ['list.insert', 'a:a', 1, ['new']])
}, ['a:a'])

// -- who goes where --
vector('concurrency', 'one-place', 'The lower client id is to the left, whichever comes first.', r => {
  r.by(3, insert('t:t', 0, 'C')); r.by(2, insert('t:t', 0, 'B'))
  r.deliver(3)
  r.edit(insert('t:t', 0, 'A'))
  r.deliver(2)
}, ['t:t'])
vector('concurrency', 'runs-do-not-interleave', 'Two type forwards, two backwards, at one place.', r => {
  r.edit(insert('t:t', 0, '[]')); r.tell(2); r.tell(3)
  for (const [i, c] of ['a', 'b', 'c'].entries()) r.by(2, insert('t:t', 1 + i, c))
  for (const c of ['x', 'y', 'z']) r.by(3, insert('t:t', 1, c))
  for (const c of ['1', '2', '3']) r.edit(insert('t:t', 1, c))
  r.deliver(3); r.deliver(2)
}, ['t:t'])
vector('concurrency', 'insert-into-what-is-deleted', 'One deletes a range that another types into.', r => {
  r.edit(insert('t:t', 0, 'abcdef')); r.tell(2); r.tell(3)
  r.by(2, insert('t:t', 3, 'XY')); r.by(3, ['text.delete', 't:t', 1, 4])
  r.deliver(3); r.deliver(2)
}, ['t:t'])
vector('concurrency', 'one-key', 'The higher client id wins; what loses is deleted when it arrives.', r => {
  r.by(2, ['map.set', 'm:m', 'k', 'two']); r.by(3, ['map.set', 'm:m', 'k', 'three']); r.by(3, ['map.set', 'm:m', 'k', 'three again'])
  r.deliver(3)
  r.deliver(2)
  r.edit(['map.set', 'm:m', 'k', 'one'], ['map.set', 'm:m', 'other', 0], ['map.delete', 'm:m', 'k'])
}, ['m:m'])
vector('concurrency', 'marks', 'Overlapping marks of two, and a text typed between them.', r => {
  r.edit(insert('t:t', 0, 'abcdefgh')); r.tell(2); r.tell(3)
  r.by(2, ['text.format', 't:t', 1, 4, { bold: true }]); r.by(3, ['text.format', 't:t', 3, 4, { bold: null, italic: true }])
  r.edit(insert('t:t', 4, 'XY', { bold: true }))
  r.deliver(2); r.deliver(3)
}, ['t:t'])
vector('concurrency', 'marks-with-cleanup', 'The same, where Yjs deletes redundant marks after remote changes (its default).', r => {
  r.edit(insert('t:t', 0, 'abcdefgh')); r.tell(2); r.tell(3)
  r.by(2, ['text.format', 't:t', 1, 4, { bold: true }]); r.by(3, ['text.format', 't:t', 3, 4, { bold: null, italic: true }])
  r.edit(insert('t:t', 4, 'XY', { bold: true }))
  r.deliver(2); r.deliver(3)
}, ['t:t'], { cleanup: true })
vector('concurrency', 'edits-in-a-deleted-type', 'Its children become GC structs, and what comes later for it too.', r => {
  r.edit(['list.insert', 'a:a', 0, [type('Text', { content: 'abc' }), 1]]); r.tell(2)
  r.by(2, insert([1, 0], 1, 'XYZ'))
  r.edit(['list.delete', 'a:a', 0, 1])
  r.deliver(2)
  r.edit(['list.insert', 'a:a', 0, [2]])
}, ['a:a'])
vector('concurrency', 'three-by-turns-v2', 'The same exchange as V2 updates.', r => {
  r.edit(insert('t:t', 0, 'abc')); r.tell(2); r.tell(3)
  r.by(2, insert('t:t', 1, '22'), ['text.format', 't:t', 0, 2, { b: true }]); r.by(3, insert('t:t', 1, '33')); r.by(3, ['text.delete', 't:t', 0, 2])
  r.deliver(2, { version: 2 }); r.deliver(3, { version: 2 })
}, ['t:t'])

// -- what comes too early, twice, or in pieces --
vector('pending', 'backwards', 'Updates in reverse order wait until the first is there.', r => {
  for (const c of 'abc') r.by(2, insert('t:t', 0, c))
  const { log } = r.world.replica(2)
  r.delivered.set(2, log.length)
  for (const { v1 } of [...log].reverse()) { r.apply(base64(v1)); r.missing() }
}, ['t:t'])
vector('pending', 'still-waiting', 'What waits is part of the state that is encoded.', r => {
  r.edit(insert('t:t', 0, 'mine'))
  for (const c of 'abcd') r.by(2, insert('t:t', 0, c))
  r.deliver(2, { order: [0, 2] }); r.missing()
}, ['t:t'])
vector('pending', 'deletes-first', 'A delete set of structs that are not there waits, partly or all of it.', r => {
  r.by(2, insert('t:t', 0, 'abcdef')); r.by(2, insert('t:t', 6, 'ghi')); r.by(2, ['text.delete', 't:t', 4, 4])
  r.deliver(2, { order: [2, 0] })
}, ['t:t'])
vector('pending', 'deletes-first-then-all', 'The same, and then the rest.', r => {
  r.by(2, insert('t:t', 0, 'abcdef')); r.by(2, insert('t:t', 6, 'ghi')); r.by(2, ['text.delete', 't:t', 4, 4])
  r.deliver(2, { order: [2, 0, 1] })
}, ['t:t'])
vector('pending', 'across-clients', 'Client 3 typed into what client 2 typed; client 2 comes last.', r => {
  r.by(2, insert('t:t', 0, 'ab')); r.by(3); r.call('sync', 2, 3, 1)
  const of3 = r.world.replica(3).log.length
  r.by(3, insert('t:t', 1, 'X')); r.delivered.set(3, of3)
  r.deliver(3); r.missing(); r.deliver(2)
}, ['t:t'])
vector('pending', 'twice-and-overlapping', 'What is there already is cut off.', r => {
  r.by(2, insert('t:t', 0, 'ab')); r.by(2, insert('t:t', 2, 'cd')); r.by(2, insert('t:t', 4, 'ef'))
  const [first, second, third] = r.world.replica(2).log.map(({ v1 }) => v1)
  r.delivered.set(2, 3)
  r.apply(base64(first)); r.apply(base64(Y.mergeUpdates([first, second]))); r.apply(base64(second))
  r.apply(r.call('encode', 2, 1)); r.apply(base64(third))
}, ['t:t'])
vector('pending', 'with-a-hole', 'A merged update of the first and third: Item, Skip, Item.', r => {
  for (const c of 'abc') r.by(2, insert('t:t', 9, c))
  const [first, second, third] = r.world.replica(2).log.map(({ v1 }) => v1)
  r.delivered.set(2, 3)
  r.apply(base64(Y.mergeUpdates([first, third]))); r.missing(); r.apply(base64(second))
}, ['t:t'])

// -- surrogate pairs that are cut --
vector('surrogates', 'typed-between', 'Both halves become U+FFFD when something comes between them.', r => {
  r.edit(insert('t:t', 0, 'a😀b')); r.edit(insert('t:t', 2, '-'))
}, ['t:t'])
vector('surrogates', 'half-deleted', 'The half that stays is U+FFFD.', r => {
  r.edit(insert('t:t', 0, 'a😀😀b')); r.edit(['text.delete', 't:t', 2, 2])
}, ['t:t'])
vector('surrogates', 'cut-by-another', 'One deletes a half while the other has the pair in one piece.', r => {
  r.edit(insert('t:t', 0, 'x😀y')); r.tell(2); r.by(2, ['text.delete', 't:t', 2, 2]); r.deliver(2)
}, ['t:t'])
vector('surrogates', 'encoded-from-within', 'An update that begins in a pair begins with U+FFFD.', r => {
  const other = new Y.Doc()
  other.clientID = 2
  other.getText('t').insert(0, 'a😀b')
  r.apply(base64(Y.encodeStateAsUpdate(other, Uint8Array.from([1, 2, 2])))); r.missing()
  r.apply(base64(Y.encodeStateAsUpdate(other)))
}, ['t:t'])
vector('surrogates', 'marked-from-within', 'A format that begins in a pair.', r => {
  r.edit(insert('t:t', 0, 'a😀b')); r.edit(['text.format', 't:t', 2, 2, { b: true }])
}, ['t:t'])

// -- garbage --
for (const gc of [true, false]) {
  vector('garbage', `deletions-gc-${gc ? 'on' : 'off'}`, 'Deleted texts, values, keys and types.', r => {
    r.edit(insert('t:t', 0, 'hello world'), ['list.insert', 'a:a', 0, [1, 2, type('Map', { content: { k: type('Array', { content: [1] }) } }), 3]])
    r.edit(['text.delete', 't:t', 3, 4]); r.edit(['list.delete', 'a:a', 1, 2]); r.edit(['map.set', 'm:m', 'k', 1], ['map.set', 'm:m', 'k', 2])
    r.edit(['text.delete', 't:t', 0, 3]); r.edit(['list.delete', 'a:a', 0, 2])
  }, ['t:t', 'a:a', 'm:m'], { gc })
}

// -- undo --
vector('undo', 'typing-and-deleting', 'Undo deletes what was typed and makes again what was deleted, as new items.', r => {
  r.track('t:t')
  r.edit(insert('t:t', 0, 'hello')); r.edit(insert('t:t', 5, ' world')); r.edit(['text.delete', 't:t', 2, 6])
  r.undo(); r.undo(); r.redo(); r.redo(); r.undo()
}, ['t:t'])
vector('undo', 'map-values', 'The value before comes back.', r => {
  r.track('m:m')
  r.edit(['map.set', 'm:m', 'k', 1]); r.edit(['map.set', 'm:m', 'k', 2]); r.edit(['map.delete', 'm:m', 'k'])
  r.undo(); r.undo(); r.redo(); r.undo(); r.undo()
}, ['m:m'])
vector('undo', 'beside-another', 'What another wrote meanwhile stays.', r => {
  r.track('t:t')
  r.edit(insert('t:t', 0, 'abcd')); r.tell(2); r.by(2, insert('t:t', 2, 'XY')); r.deliver(2)
  r.edit(['text.delete', 't:t', 1, 3]); r.undo(); r.undo(); r.redo(); r.redo()
}, ['t:t'])
vector('undo', 'nested-types-and-marks', 'A deleted type comes back with what was in it.', r => {
  r.track('a:a', 't:t')
  r.edit(['list.insert', 'a:a', 0, [type('Map', { content: { k: 'v' } }), 1]]); r.edit(['map.set', 0, 'k', 'w']); r.edit(['list.delete', 'a:a', 0, 1])
  r.edit(insert('t:t', 0, 'bold?')); r.edit(['text.format', 't:t', 1, 3, { bold: true }])
  r.undo(); r.redo(); r.undo(); r.undo(); r.undo(); r.undo(); r.redo()
}, ['a:a', 't:t'])

// -- snapshots --
vector('snapshots', 'text-as-it-was', 'Needs gc off.', r => {
  r.edit(insert('t:t', 0, 'hello')); const first = r.snapshot()
  r.edit(['text.delete', 't:t', 1, 3], insert('t:t', 1, 'ipp')); r.tell(2)
  r.by(2, insert('t:t', 5, '!', { bold: true })); r.deliver(2)
  const second = r.snapshot()
  r.edit(['text.delete', 't:t', 0, 6])
  r.asOf(first); r.deltaOf(first, 't:t'); r.asOf(second); r.deltaOf(second, 't:t')
}, ['t:t'], { gc: false })
vector('snapshots', 'within-an-item', 'The snapshot ends in the middle of what is one item by now.', r => {
  r.edit(insert('t:t', 0, 'ab')); const first = r.snapshot()
  r.edit(insert('t:t', 2, 'cd')); r.asOf(first); r.deltaOf(first, 't:t')
}, ['t:t'], { gc: false })
vector('snapshots', 'empty', 'Of an empty document.', r => {
  const first = r.snapshot()
  r.edit(['map.set', 'm:m', 'k', 1]); r.asOf(first)
}, ['m:m'], { gc: false })

// -- relative positions --
vector('positions', 'stay-with-their-neighbours', 'To the right (>= 0) and to the left (< 0), at both ends, while text comes and goes.', r => {
  const empty = r.relative('t:t', 0)
  r.edit(insert('t:t', 0, 'abcdef'))
  const all = [0, 3, 6].flatMap(index => [0, -1].map(association => r.relative('t:t', index, association)))
  r.edit(insert('t:t', 0, '12')); r.edit(['text.delete', 't:t', 4, 2]); r.edit(insert('t:t', 6, '34'))
  ;[empty, ...all].forEach(relative => r.absolute(relative))
}, ['t:t'])
vector('positions', 'in-nested-types', 'A position in an empty nested type names the type; once that is deleted there is none.', r => {
  r.edit(['list.insert', 'a:a', 0, [type('Text')]])
  const empty = r.call('relative', 0, [1, 0], 0, 0)
  r.absolute(empty)
  r.edit(insert([1, 0], 0, 'in')); const within = r.call('relative', 0, [1, 0], 1, 0)
  r.absolute(within)
  r.edit(['list.delete', 'a:a', 0, 1]); r.absolute(empty); r.absolute(within)
}, ['a:a'])
vector('positions', 'followed-through-undo', 'Of an item that undo made again.', r => {
  r.track('t:t'); r.edit(insert('t:t', 0, 'abcdef')); r.edit(['text.delete', 't:t', 2, 2])
  const before = base64(Y.encodeRelativePosition(Y.createRelativePositionFromJSON({ type: null, tname: null, item: { client: 1, clock: 3 }, assoc: 0 })))
  r.absolute(before); r.undo(); r.absolute(before)
}, ['t:t'])

// -- documents of old versions --
for (const version of ['13.0', '13.4']) {
  vector('old', `yjs-${version}`, `Written by yjs ${version}.0.`, r => {
    const Old = require(`yjs-${version}`)
    const doc = new Old.Doc()
    doc.clientID = 5
    doc.getArray('a').insert(0, [1, { x: [2, 'three'] }, new Uint8Array([4])])
    doc.getMap('m').set('k', new Old.Array())
    doc.getMap('m').set('k', 'v')
    doc.getText('t').insert(0, 'plain ')
    doc.getText('t').insert(6, 'bold', { bold: true })
    doc.getText('t').insertEmbed(3, { image: 'u' })
    doc.getText('t').delete(1, 3)
    const element = new Old.XmlElement('p')
    doc.getXmlFragment('x').insert(0, [element])
    element.setAttribute('id', '1')
    element.insert(0, [new Old.XmlText('hi')])
    r.apply(base64(Old.encodeStateAsUpdate(doc)))
  }, ['a:a', 'm:m', 't:t', 'x:x'])
}

mkdirSync(kFolder, { recursive: true })
const { version } = JSON.parse(readFileSync(new URL('node_modules/yjs/package.json', import.meta.url)))
for (const [name, vectors] of Object.entries(files)) {
  const head = `# What yjs ${version} does. Written by tests/yjs/vectors.mjs; tests/yjs/recorder.mjs says how to read it.\n`
  writeFileSync(new URL(`${name}.txt`, kFolder), [head, ...vectors].join('\n'))
}
process.stdout.write(`${Object.values(files).flat().length} vectors in ${fileURLToPath(kFolder)}\n`)
