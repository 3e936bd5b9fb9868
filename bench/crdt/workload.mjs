// Writes what every engine is given by `./dev bench crdt`, one file a case, the same for all:
//
//   node workload.mjs FOLDER [growth]    growth: the cases of the plot of cost against size
//
// The cases are those of crdt-benchmarks (B1 to B4), restated. A file is lines:
//
//   case B1.1 text        the case, and the root that is edited: text, array or map
//   base STRING           text that all writers begin with (B2)
//   writer                what follows is by one more writer, who sees only the base
//   i POSITION STRING     insert text                    d POSITION LENGTH   delete text
//   a POSITION VALUES     insert values into the array, JSON
//   m KEY VALUE           set in the map, JSON
//   f POSITION LENGTH KEY VALUE     format text, VALUE is JSON
//   end STRING            the text that a single writer comes to (B4)
//
// In STRING, a line feed is \n and a backslash \\.
import { gunzipSync } from 'node:zlib'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const kEdits = 6000 // crdt-benchmarks' N.
const kWriters = Math.floor(20 * Math.sqrt(kEdits))

// mulberry32 (T. Ettinger): 32 bits of state are plenty for a workload.
class Random {
  constructor (seed) { this.state = seed >>> 0 }

  next () {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = this.state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  // In [first, last].
  between (first, last) { return first + this.next() % (last - first + 1) }

  letter () { return String.fromCharCode(this.between(97, 122)) }

  word (shortest, longest) {
    return Array.from({ length: this.between(shortest, longest) }, () => this.letter()).join('')
  }
}

const escape = text => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')

// Lines of one case, and how long the writer's text is by now.
class Case {
  constructor (name, root, seed) {
    this.lines = [`case ${name} ${root}`]
    this.name = name
    this.random = new Random(seed)
    this.length = 0
    this.baseLength = 0
  }

  base (text) {
    this.lines.push(`base ${escape(text)}`)
    this.baseLength = text.length
  }

  writer () {
    this.lines.push('writer')
    this.length = this.baseLength
  }

  insert (position, text) {
    this.lines.push(`i ${position} ${escape(text)}`)
    this.length += text.length
  }

  remove (position, count) {
    this.lines.push(`d ${position} ${count}`)
    this.length -= count
  }

  values (position, values) {
    this.lines.push(`a ${position} ${JSON.stringify(values)}`)
    this.length += values.length
  }

  format (position, count, key, value) {
    this.lines.push(`f ${position} ${count} ${key} ${JSON.stringify(value)}`)
  }

  set (key, value) { this.lines.push(`m ${key} ${JSON.stringify(value)}`) }

  anywhere () { return this.random.between(0, this.length) }

  // One random edit: an insert of a word, or, `deletes` times of ten, a deletion.
  insertOrDelete (deletes) {
    if (this.length > 0 && this.random.between(1, 10) <= deletes) {
      const position = this.random.between(0, this.length - 1)
      this.remove(position, Math.min(this.random.between(1, 9), this.length - position))
    } else {
      this.insert(this.anywhere(), this.random.word(2, 9))
    }
  }

  write (folder) { writeFileSync(`${folder}/${this.name}.txt`, this.lines.join('\n') + '\n') }
}

const repeat = (count, act) => { for (let i = 0; i < count; ++i) act(i) }

// Name, root, and the edits of the single writer.
const kSingle = [
  ['B1.1', 'text', c => repeat(kEdits, () => c.insert(c.length, c.random.letter()))],
  ['B1.2', 'text', c => c.insert(0, c.random.word(kEdits, kEdits))],
  ['B1.3', 'text', c => repeat(kEdits, () => c.insert(0, c.random.letter()))],
  ['B1.4', 'text', c => repeat(kEdits, () => c.insert(c.anywhere(), c.random.letter()))],
  ['B1.5', 'text', c => repeat(kEdits, () => c.insert(c.anywhere(), c.random.word(2, 10)))],
  ['B1.6', 'text', c => { c.insert(0, c.random.word(kEdits, kEdits)); c.remove(0, kEdits) }],
  ['B1.7', 'text', c => repeat(kEdits, () => c.insertOrDelete(5))],
  ['B1.8', 'array', c => repeat(kEdits, i => c.values(c.length, [i]))],
  ['B1.9', 'array', c => c.values(0, Array.from({ length: kEdits }, (_, i) => i))],
  ['B1.10', 'array', c => repeat(kEdits, i => c.values(0, [i]))],
  ['B1.11', 'array', c => repeat(kEdits, i => c.values(c.anywhere(), [i]))]
]

// Two writers who do not see each other, on 100 characters of common text.
const kPairs = [
  ['B2.1', c => c.insert(0, c.random.word(kEdits, kEdits))],
  ['B2.2', c => repeat(kEdits, () => c.insert(c.anywhere(), c.random.letter()))],
  ['B2.3', c => repeat(kEdits, () => c.insert(c.anywhere(), c.random.word(2, 10)))],
  ['B2.4', c => repeat(kEdits, () => c.insertOrDelete(5))]
]

// Many writers who do not see each other, one edit each.
const kCrowds = [
  ['B3.1', 'map', (c, i) => c.set('v', i)],
  ['B3.2', 'map', (c, i) => c.set('v', { name: String(i), address: 'here' })],
  ['B3.3', 'map', (c, i) => c.set('v', String(i).repeat(Math.floor(Math.sqrt(kEdits))))],
  ['B3.4', 'array', (c, i) => c.values(0, [String(i)])]
]

const writeTrace = folder => {
  const file = new URL('../data/automerge-paper.json.gz', import.meta.url)
  const { endContent, txns } = JSON.parse(gunzipSync(readFileSync(file)))
  const trace = new Case('B4', 'text', 0)
  trace.writer()
  for (const { patches } of txns) {
    for (const [position, deleted, inserted] of patches) {
      if (deleted > 0) trace.remove(position, deleted)
      if (inserted.length > 0) trace.insert(position, inserted)
    }
  }
  trace.lines.push(`end ${escape(endContent)}`)
  trace.write(folder)
}

const writeCases = folder => {
  kSingle.forEach(([name, root, edits], i) => {
    const c = new Case(name, root, 100 + i)
    c.writer()
    edits(c)
    c.write(folder)
  })
  kPairs.forEach(([name, edits], i) => {
    const c = new Case(name, 'text', 200 + i)
    c.base(c.random.word(100, 100))
    repeat(2, () => { c.writer(); edits(c) })
    c.write(folder)
  })
  kCrowds.forEach(([name, root, edit], i) => {
    const c = new Case(name, root, 300 + i)
    repeat(kWriters, writer => { c.writer(); edit(c, writer) })
    c.write(folder)
  })
  writeTrace(folder)
}

// The mixes that are worst for somebody, each in growing sizes, for cost per edit against size.
const kGrowth = [
  ['prepend', 'text', (c, size) => repeat(size, () => c.insert(0, c.random.letter()))],
  ['random-insert', 'text', (c, size) => repeat(size, () => c.insert(c.anywhere(), c.random.letter()))],
  ['insert-delete', 'text', (c, size) => repeat(size, () => c.insertOrDelete(5))],
  ['rich-text', 'text', (c, size) => {
    c.insert(0, c.random.word(size, size))
    repeat(Math.floor(size / 4), () => {
      const position = c.random.between(0, c.length - 2)
      c.format(position, c.random.between(1, Math.min(8, c.length - position)), 'bold', c.random.next() % 2 === 0 || null)
    })
  }],
  ['holes', 'text', (c, size) => { // Every second character goes, from the right; then back in between.
    c.insert(0, c.random.word(2 * size, 2 * size))
    for (let i = size - 1; i >= 0; --i) c.remove(2 * i, 1)
    repeat(Math.floor(size / 4), () => c.insert(c.anywhere(), c.random.letter()))
  }],
  ['same-key', 'map', (c, size) => repeat(size, i => c.set('v', i))]
]

const writeGrowth = folder => {
  const sizes = [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000]
  kGrowth.forEach(([name, root, edits], i) => sizes.forEach(size => {
    const c = new Case(`${name}@${size}`, root, 400 + i)
    c.writer()
    edits(c, size)
    c.write(folder)
  }))
  sizes.filter(size => size <= 16000).forEach(size => { // As many writers as edits: all at one place.
    const c = new Case(`same-place@${size}`, 'text', 500)
    repeat(size, () => { c.writer(); c.insert(0, c.random.letter()) })
    c.write(folder)
  })
}

const [folder, mode] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
if (mode === 'growth') writeGrowth(folder)
else writeCases(folder)
