// Records what the real Yjs does with a document in the form of src/crdt/testdata/yjs/*.txt: one
// line a step, and what must come of it. The document begins empty; its client id is 1.
//
//   vector NAME                 begins one; what it shows follows as comments
//   gc on|off
//   edit JSON                   a transaction of these edits (their form: world.mjs)
//   apply VERSION HEX           an update of somebody else, of format V1 or V2
//   undo, redo                  by client 1; the steps are those since `track TARGETS`
//   event HEX                   the update event that the step before must have caused, V1;
//                               none if there is no such line
//   snapshot HEX HEX            the document's at this moment, V1 and V2; the next one has number 0, 1, ...
//   relative TARGET INDEX ASSOCIATION HEX        Y.createRelativePositionFromTypeIndex
//   absolute HEX INDEX ASSOCIATION | absolute HEX none
//   missing CLIENT CLOCK        pending structs wait for this
//   as-of NUMBER HEX            a document made of the snapshot of that number, encoded V1
//   delta-of NUMBER TARGET JSON the text as it was at that snapshot
//   state VERSION HEX           encodeStateAsUpdate
//   state-vector HEX
//   view JSON                   every root by name: a text as its delta, XML as its text, else JSON
import { kCommands, World } from './world.mjs'

const kDocument = 0

const hex = base64 => Buffer.from(base64, 'base64').toString('hex')

export class Recorder {
  constructor (name, about, { gc = true, cleanup = false } = {}) {
    this.options = { gc, cleanup }
    this.world = new World()
    this.lines = [`vector ${name}`, ...about.map(line => `# ${line}`), `gc ${gc ? 'on' : 'off'}`]
    this.delivered = new Map() // Other client -> how much of its log the document was given.
    this.snapshots = 0
    this.call('doc.new', kDocument, { client: 1, ...this.options })
  }

  call (verb, ...rest) { return kCommands[verb](this.world, ...rest) }

  say (...words) { this.lines.push(words.join(' ')) }

  step (line, events) {
    this.say(line)
    events.forEach(event => this.say('event', hex(event)))
  }

  edit (...edits) { this.step(`edit ${JSON.stringify(edits)}`, this.call('edit', kDocument, ...edits)) }
  track (...targets) {
    this.say('track', ...targets)
    this.call('undo.track', kDocument, targets)
  }

  undo () { this.step('undo', this.call('undo', kDocument)) }
  redo () { this.step('redo', this.call('redo', kDocument)) }

  // Another client's edits, of which the document learns by deliver().
  by (client, ...edits) {
    if (!this.delivered.has(client)) {
      this.call('doc.new', client, { client, v2: true, ...this.options })
      this.delivered.set(client, 0)
    }
    return this.call('edit', client, ...edits)
  }

  // The other gets to know all that the document has.
  tell (client) {
    this.by(client)
    this.call('apply', client, this.call('encode', kDocument, 1), 1)
    this.delivered.set(client, this.world.replica(client).log.length)
  }

  apply (update, version = 1) {
    this.step(`apply ${version} ${hex(update)}`, this.call('apply', kDocument, update, version))
  }

  // The other's new updates, one by one, in this order (by default as they were made).
  deliver (client, { order = null, version = 1 } = {}) {
    const { log } = this.world.replica(client)
    const fresh = log.slice(this.delivered.get(client))
    this.delivered.set(client, log.length)
    for (const number of order ?? fresh.keys()) {
      const { v1, v2 } = fresh[number]
      this.apply(Buffer.from(version === 1 ? v1 : v2).toString('base64'), version)
    }
  }

  snapshot () {
    this.say('snapshot', ...this.call('snapshot', kDocument, this.snapshots).map(hex))
    return this.snapshots++
  }

  asOf (number) { this.say('as-of', number, hex(this.call('snapshot.restore', kDocument, number))) }
  deltaOf (number, target) {
    this.say('delta-of', number, target, JSON.stringify(this.call('snapshot.delta', kDocument, target, number)))
  }

  relative (target, index, association = 0) {
    const relative = this.call('relative', kDocument, target, index, association)
    this.say('relative', target, index, association, hex(relative))
    return relative
  }

  absolute (relative) {
    const position = this.call('absolute', kDocument, relative)
    this.say('absolute', hex(relative), ...(position === null ? ['none'] : [position.index, position.association]))
  }

  missing () {
    for (const [client, clock] of this.call('pending', kDocument).missing) this.say('missing', client, clock)
  }

  get replica () { return this.world.replica(kDocument) }

  end (...roots) {
    this.call('roots', kDocument, roots)
    for (const version of [1, 2]) this.say('state', version, hex(this.call('encode', kDocument, version)))
    this.say('state-vector', hex(this.call('vector', kDocument)))
    this.say('view', JSON.stringify(this.call('view', kDocument)))
    return this.lines.join('\n') + '\n'
  }
}
