// Measures one engine of peers.mjs on cases that workload.mjs wrote. One line of JSON a measured
// number: {"engine","case","what","value"}; times in milliseconds, sizes in bytes.
//
//   node --expose-gc measure.mjs ENGINE FOLDER CASE...
//   node --expose-gc measure.mjs --large yjs FILE     only load and memory of the document that
//                                                     crdt_bench --large wrote
//
//   edit      all writers' edits, an update event for each (single writers and pairs)
//   apply     each of these updates, one by one, to documents that lack them
//   bulk      the same updates at once, in the way that the engine has for it
//   encode    the whole document to bytes
//   load      a new document from these bytes, and its content read
//   size      of these bytes          updates   of all update events together
//   memory    what one loaded document keeps alive, after a full collection
//
// A case that takes less than a second is run once unmeasured before: compilers warm up. What takes
// longer than a limit is given up, and told so: {"what":"apply","over":SECONDS,"done":PART}.
// bench/crdt/crdt_bench.cc does the same with our engine; keep them alike.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { kPeers } from './peers.mjs'

const unescape = text => text.replace(/\\(.)/g, (_, character) => (character === 'n' ? '\n' : character))

const parseEdit = line => {
  const [verb, first, ...rest] = line.split(' ')
  const after = rest.join(' ')
  switch (verb) {
    case 'i': return ['insert', Number(first), unescape(after)]
    case 'd': return ['remove', Number(first), Number(after)]
    case 'a': return ['values', Number(first), JSON.parse(after)]
    case 'm': return ['set', first, JSON.parse(after)]
    case 'f': return ['format', Number(first), Number(rest[0]), rest[1], JSON.parse(rest[2])]
    default: throw new Error(`not an edit: ${line}`)
  }
}

const readCase = path => {
  const workload = { root: '', base: '', writers: [], end: null }
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue
    else if (line.startsWith('case ')) workload.root = line.split(' ')[2]
    else if (line.startsWith('base ')) workload.base = unescape(line.slice(5))
    else if (line.startsWith('end ')) workload.end = unescape(line.slice(4))
    else if (line === 'writer') workload.writers.push([])
    else workload.writers[workload.writers.length - 1].push(parseEdit(line))
  }
  return workload
}

const kApplySecondsMax = 20

// CLOCK=cpu: what this process computed, V8's own threads (compilers, collectors) included, not what
// passed; as crdt_bench does it.
const now = process.env.CLOCK === 'cpu'
  ? () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    }
  : () => performance.now()

// Runs `act` and adds what it took to numbers[what].
const timed = (numbers, what, act) => {
  const begun = now()
  const result = act()
  numbers[what] = (numbers[what] ?? 0) + now() - begun
  return result
}

// Every writer's document and update events. With many writers, making their documents is not theirs.
const write = (Peer, workload, base, numbers) => workload.writers.map((edits, i) => {
  const updates = []
  const doc = new Peer(i + 1, update => updates.push(update), base)
  timed(numbers, 'edit', () => {
    for (const [verb, ...rest] of edits) doc[verb](...rest)
  })
  return { doc, updates }
})

// Who applies whose updates. Single: a second document, the writer's. Pairs: each the other's.
// Crowds: the first writer, all others'.
const readersOf = (Peer, base, written) => {
  const all = writers => writers.flatMap(({ updates }) => updates)
  if (written.length === 1) return [{ doc: new Peer(1000000, null, base), updates: written[0].updates }]
  if (written.length > 2) return [{ doc: written[0].doc, updates: all(written.slice(1)) }]
  return written.map(({ doc }, i) => ({ doc, updates: written[1 - i].updates }))
}

// False if it was given up; numbers.done is then the part that was applied.
const applyOneByOne = (readers, numbers) => {
  const total = readers.reduce((sum, { updates }) => sum + updates.length, 0)
  const deadline = now() + kApplySecondsMax * 1000
  let done = 0
  timed(numbers, 'apply', () => {
    for (const { doc, updates } of readers) {
      for (const update of updates) {
        if ((done & 63) === 0 && now() > deadline) return
        doc.apply(update)
        ++done
      }
    }
  })
  if (done === total) return true
  numbers.apply = { over: kApplySecondsMax, done: done / total }
  return false
}

const applyAtOnce = (Peer, base, readers, numbers) => {
  const doc = new Peer(1000003, null, base)
  const own = readers.length === 2 ? readers.flatMap(({ updates }) => updates) : readers[0].updates
  timed(numbers, 'bulk', () => doc.applyAll(own))
  return doc
}

// The order of keys in a JavaScript object is no content.
const canonical = value => JSON.stringify(value, (_, inner) =>
  inner !== null && typeof inner === 'object' && !Array.isArray(inner)
    ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
    : inner)

const sameContent = (a, b) => canonical(a) === canonical(b)

const runCase = (Peer, workload) => {
  const numbers = {}
  let base
  if (workload.base !== '') {
    const doc = new Peer(999999)
    doc.insert(0, workload.base)
    base = doc.encode()
  }
  const written = write(Peer, workload, base, numbers)
  numbers.updates = written.reduce((sum, { updates }) => updates.reduce((s, u) => s + u.length, sum), 0)
  const readers = readersOf(Peer, base, written)
  const bulk = applyAtOnce(Peer, base, readers, numbers)
  const complete = applyOneByOne(readers, numbers) ? readers[0].doc : bulk
  if (written.length > 2) delete numbers.edit

  const content = complete.read(workload.root)
  const wanted = workload.end ?? (written.length === 1 ? written[0].doc : complete).read(workload.root)
  if (!sameContent(content, wanted)) throw new Error('the documents differ')
  if (written.length <= 2 && !sameContent(bulk.read(workload.root), wanted)) throw new Error('the bulk differs')

  const bytes = timed(numbers, 'encode', () => complete.encode())
  numbers.size = bytes.length
  const loaded = timed(numbers, 'load', () => {
    const doc = new Peer(1000001, null, bytes)
    doc.read(workload.root)
    return doc
  })
  if (!sameContent(loaded.read(workload.root), wanted)) throw new Error('the loaded document differs')
  for (const doc of new Set([...written.map(({ doc }) => doc), readers[0].doc, bulk, loaded])) doc.free()
  return { numbers, bytes }
}

const live = () => {
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const kMemorySample = 4 << 20 // Bytes of documents that are loaded, to be above what else is alive.
const kMemoryCopiesMax = 200

// In a process of its own (WebAssembly's memory never shrinks): copies of one document, and what
// one of them keeps alive.
const memoryOf = (Peer, root, bytes) => {
  const copies = Math.max(1, Math.min(kMemoryCopiesMax, Math.floor(kMemorySample / bytes.length)))
  const load = client => {
    const doc = new Peer(client, null, bytes)
    doc.read(root)
    return doc
  }
  // What the engine itself needs once is not the document's; beside a large one it is nothing, and
  // that document would still be there when counting begins.
  if (bytes.length <= kMemorySample) load(2000000).free()
  const before = live()
  const docs = Array.from({ length: copies }, (_, i) => load(i + 2000001))
  return (live() - before) / docs.length
}

const askForMemory = (engine, root, bytes) => {
  const { stdout, status } = spawnSync(process.execPath,
    ['--expose-gc', fileURLToPath(import.meta.url), '--memory', engine, root],
    { input: bytes, encoding: 'utf8' })
  if (status !== 0) throw new Error('its memory could not be measured')
  return Number(stdout)
}

const measureCase = (engine, Peer, folder, name) => {
  const workload = readCase(`${folder}/${name}.txt`)
  const report = (what, value) => {
    const told = value !== null && typeof value === 'object' ? value : { value }
    process.stdout.write(JSON.stringify({ engine, case: name, what, ...told }) + '\n')
  }
  try {
    const begun = now()
    let run = runCase(Peer, workload)
    if (now() - begun < 1000) run = runCase(Peer, workload)
    for (const [what, value] of Object.entries(run.numbers)) report(what, value)
    report('memory', askForMemory(engine, workload.root, run.bytes))
  } catch (error) {
    report('failed', String(error?.message ?? error))
  }
}

const kLargeLoads = 3

const measureLarge = async (engine, path) => {
  const Peer = await kPeers[engine]()
  const bytes = new Uint8Array(readFileSync(path))
  const report = (what, value) =>
    process.stdout.write(JSON.stringify({ engine, case: 'B4x100', what, value }) + '\n')
  for (let i = 0; i < kLargeLoads; ++i) {
    const begun = now()
    const doc = new Peer(2000000 + i, null, bytes)
    doc.read('text')
    report('load', now() - begun)
    const encoded = now()
    report('size', doc.encode().length)
    report('encode', now() - encoded)
    doc.free()
  }
  report('memory', askForMemory(engine, 'text', bytes))
}

if (process.argv[2] === '--large') {
  await measureLarge(process.argv[3], process.argv[4])
} else if (process.argv[2] === '--memory') {
  const [engine, root] = process.argv.slice(3)
  const Peer = await kPeers[engine]()
  process.stdout.write(String(memoryOf(Peer, root, new Uint8Array(readFileSync(0)))))
} else {
  const [engine, folder, ...cases] = process.argv.slice(2)
  const Peer = await kPeers[engine]()
  cases.forEach(name => measureCase(engine, Peer, folder, name))
}
