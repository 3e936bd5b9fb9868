// Documents of the real Yjs, and what can be done to them by name. One World belongs to one
// conversation with the oracle (oracle.mjs); documents in it are known by small numbers.
//
// Targets name a shared type of a document: a string is a root, "t:notes" for example (t text,
// a array, m map, x XML fragment); [client, clock] is the type that this item holds; a number n is
// the type that was made n-th in this world, modulo their count.
//
// Positions and lengths need not fit: position p stands for p mod (length + 1), and a length is cut
// to what is there. So any part of a scenario is a scenario, and a failing one can be made smaller.
import * as Y from 'yjs'
import { decode, encode, encodeDelta, fromBase64, toBase64 } from './values.mjs'

const kRootKinds = { t: 'getText', a: 'getArray', m: 'getMap', x: 'getXmlFragment' }

// Yjs would draw a new type's id and a document's random client id itself; here all is given.
class Replica {
  constructor ({ client, gc = true, cleanup = false, markers = false, v2 = false }) {
    this.markers = markers
    this.v2 = v2
    this.doc = new Y.Doc({ gc, guid: 'doc' })
    this.doc.clientID = client
    this.log = [] // Every update event, local or not: {v1, v2}.
    this.undo = null
    this.told = [] // What observers were told: of each transaction an object, see eventOf().
    this.last = null // The transaction of the newest.
    this.doc.on('update', update => this.log.push({ v1: update, v2: null }))
    if (v2) this.doc.on('updateV2', update => { this.log[this.log.length - 1].v2 = update })
    if (!cleanup) this.doc.on('beforeObserverCalls', withoutCleanup)
  }

  // Whoever observes gets them all; the changes can only be asked for while they are told.
  observe (type) {
    const root = [...this.doc.share].find(([, shared]) => shared === type)[0]
    type.observeDeep((events, transaction) => {
      if (this.last !== transaction) this.told.push({})
      this.last = transaction
      for (const event of events) {
        const place = JSON.stringify([root, event.path])
        const told = this.told[this.told.length - 1]
        told[place] = [...(told[place] ?? []), eventOf(event)]
      }
    })
  }

  get clock () { return Y.getState(this.doc.store, this.doc.clientID) }
}

// After a remote change Yjs deletes redundant format marks, in every client's name. An engine that
// leaves this to the editors is compared with this turned off.
const withoutCleanup = transaction => Object.defineProperty(transaction, '_needFormattingCleanup',
  { get: () => false, set: () => {} })

// In milliseconds; less than since 1970, when Yjs says that the last change was, if there was none.
const kForever = 1e9

const at = (position, length) => position % (length + 1)
const cut = (begin, count, length) => Math.min(count, length - begin)

const isList = type => type instanceof Y.Array || (type instanceof Y.XmlFragment && !(type instanceof Y.Text))
const isText = type => type instanceof Y.Text
const isMap = type => type instanceof Y.Map
const hasAttributes = type => type instanceof Y.XmlElement || type instanceof Y.XmlText

// What an XML node may hold: other nodes. A generated scenario may ask for anything.
const isXml = content => content instanceof Y.XmlElement || content instanceof Y.XmlText ||
  content instanceof Y.XmlHook

const insertInto = (list, position, values) => {
  const contents = values.map(decode)
  if (list instanceof Y.XmlFragment && !contents.every(isXml)) return
  list.insert(at(position, list.length), contents)
}

const kEdits = {
  'text.insert': [isText, (text, position, string, attributes) =>
    text.insert(at(position, text.length), string, attributes ? decode(attributes) : undefined)],
  'text.delete': [isText, (text, position, count) => {
    const begin = at(position, text.length)
    text.delete(begin, cut(begin, count, text.length))
  }],
  'text.format': [isText, (text, position, count, attributes) => {
    const begin = at(position, text.length)
    text.format(begin, cut(begin, count, text.length), decode(attributes))
  }],
  'text.embed': [isText, (text, position, embed, attributes) =>
    text.insertEmbed(at(position, text.length), decode(embed), attributes ? decode(attributes) : {})],
  // Where nothing was ever written Yjs cannot delete.
  'text.delta': [isText, (text, delta) => {
    if (text.length > 0 || delta[0].insert !== undefined) text.applyDelta(decode(delta))
  }],
  'list.insert': [isList, insertInto],
  'list.delete': [isList, (list, position, count) => {
    const begin = at(position, list.length)
    list.delete(begin, cut(begin, count, list.length))
  }],
  'map.set': [isMap, (map, key, value) => map.set(key, decode(value))],
  'map.delete': [isMap, (map, key) => map.delete(key)],
  'attribute.set': [hasAttributes, (node, name, value) => node.setAttribute(name, decode(value))],
  'attribute.delete': [hasAttributes, (node, name) => node.removeAttribute(name)]
}

// How many shared types a value makes, itself included; they take consecutive clocks.
const typesIn = value => {
  if (Array.isArray(value)) return value.some(inner => typesIn(inner))
  return value !== null && typeof value === 'object' && '$type' in value
}

export class World {
  constructor () {
    this.replicas = new Map()
    this.types = [] // [client, clock] of every shared type made by an edit, oldest first.
    this.slots = new Map() // Snapshots by name.
    this.relatives = [] // Every relative position that was made, in base64.
  }

  replica (number) {
    const replica = this.replicas.get(number)
    if (replica === undefined) throw new Error(`no document ${number}`)
    return replica
  }

  // The shared type, or null if this document has none there, or it is deleted.
  find (replica, target) {
    if (typeof target === 'string') {
      const type = replica.doc[kRootKinds[target[0]]](target.slice(2))
      return this.prepared(replica, type)
    }
    if (typeof target === 'number') {
      if (this.types.length === 0) return null
      target = this.types[target % this.types.length]
    }
    const [client, clock] = target
    if (clock >= Y.getState(replica.doc.store, client)) return null
    const item = Y.getItem(replica.doc.store, Y.createID(client, clock))
    if (!(item instanceof Y.Item) || item.deleted || !(item.content instanceof Y.ContentType)) return null
    return this.prepared(replica, item.content.type)
  }

  // Yjs caches positions; between tombstones its insertions then depend on what was edited before.
  prepared (replica, type) {
    if (!replica.markers) type._searchMarker = null
    return type
  }

  // Performs one edit; false if this document has no such type there, or of another kind.
  edit (replica, [verb, target, ...rest]) {
    const [accepts, perform] = kEdits[verb] ?? [() => { throw new Error(`no edit ${verb}`) }]
    const type = this.find(replica, target)
    if (type === null || !accepts(type)) return false
    const before = replica.clock
    perform(type, ...rest)
    if (rest.some(typesIn) && replica.clock > before) this.remember(replica, before)
    return true
  }

  remember (replica, before) {
    const client = replica.doc.clientID
    const structs = replica.doc.store.clients.get(client) ?? []
    for (let i = Y.findIndexSS(structs, before); i < structs.length; ++i) {
      if (structs[i].content instanceof Y.ContentType) this.types.push([client, structs[i].id.clock])
    }
  }

  view (replica) {
    const { doc } = replica
    const views = {}
    for (const name of [...doc.share.keys()].sort()) {
      const type = doc.share.get(name)
      if (isText(type) || isList(type) || isMap(type)) views[name] = viewOf(type)
    }
    return views
  }
}

// A text as its delta, the rest as JSON; XML as its text.
const viewOf = type => isText(type) && !(type instanceof Y.XmlText) ? encodeDelta(type.toDelta()) : encode(type)

// What JSON.stringify() makes of toJSON(), to the letter; it has no big integers.
const jsonOf = type => type instanceof Y.AbstractType && (isText(type) || isList(type) || isMap(type))
  ? JSON.stringify(type.toJSON(), (key, value) => (typeof value === 'bigint' ? Number(value) : value))
  : null

// All that a client can see in a type, by kinds: two that differ in the least differ here.
const contentOf = type => {
  const live = [...type._map].filter(([, item]) => !item.deleted).sort(([a], [b]) => (a < b ? -1 : 1))
  const values = live.map(([key, item]) => [key, partOf(item.content.getContent()[item.length - 1])])
  const content = { kind: type.constructor.name, name: type.nodeName ?? type.hookName ?? null, values }
  if (isText(type)) {
    content.delta = type.toDelta().map(({ insert, attributes }) =>
      ({ insert: partOf(insert), attributes: encode(attributes ?? {}) }))
  } else if (isList(type)) {
    content.parts = type.toArray().map(partOf)
  }
  return content
}

const partOf = value => {
  if (value instanceof Y.AbstractType) return contentOf(value)
  if (!(value instanceof Y.Doc)) return encode(value)
  const { guid, meta, autoLoad, gc, collectionid } = value
  return { $doc: guid, options: encode({ meta, autoLoad, gc, collectionid }) }
}

const valueOf = value => value instanceof Y.AbstractType ? ['type', {}] : ['value', encode(value)]

// An op of a delta as [what, ...], the values of an array one by one.
const opsOf = ({ insert, retain, delete: deleted, attributes = {} }) => {
  if (retain !== undefined) return [['retain', retain, encode(attributes)]]
  if (deleted !== undefined) return [['delete', deleted]]
  if (Array.isArray(insert)) return insert.map(valueOf)
  if (typeof insert === 'string') return [['text', insert, encode(attributes)]]
  if (insert instanceof Y.AbstractType) return [['type', encode(attributes)]]
  return [['embed', encode(insert), encode(attributes)]]
}

// Whoever asks Yjs for the delta of a text deletes the marks in it that change nothing. That is a
// clean-up, too.
const withoutDeleting = ask => {
  const { delete: itsOwn } = Y.Item.prototype
  Y.Item.prototype.delete = () => {}
  try {
    return ask()
  } finally {
    Y.Item.prototype.delete = itsOwn
  }
}

const eventOf = event => ({
  delta: withoutDeleting(() => event.changes.delta).flatMap(opsOf),
  keys: [...event.changes.keys].sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { action }]) => [key, action])
})

// [apply, merge, diff, encode state, convert, state vector of an update], by version.
const kVersions = {
  1: {
    apply: Y.applyUpdate,
    merge: Y.mergeUpdates,
    diff: Y.diffUpdate,
    encode: Y.encodeStateAsUpdate,
    vector: Y.encodeStateVectorFromUpdate,
    of: event => event.v1
  },
  2: {
    apply: Y.applyUpdateV2,
    merge: Y.mergeUpdatesV2,
    diff: Y.diffUpdateV2,
    encode: Y.encodeStateAsUpdateV2,
    vector: Y.encodeStateVectorFromUpdateV2,
    of: event => event.v2 ?? Y.convertUpdateFormatV1ToV2(event.v1)
  }
}

// Runs `act` and answers with the update events it caused, in base64, V1 then V2 if kept.
const eventsOf = (replica, act) => {
  const before = replica.log.length
  act()
  return replica.log.slice(before)
    .flatMap(({ v1, v2 }) => (v2 === null ? [toBase64(v1)] : [toBase64(v1), toBase64(v2)]))
}

const pick = (log, numbers) => numbers.map(number => log[number % log.length])

const applyTo = (replica, update, version) =>
  eventsOf(replica, () => kVersions[version].apply(replica.doc, update, 'remote'))

// Verb -> function(world, ...arguments), which returns what is answered.
export const kCommands = {
  // -- documents --
  'doc.new': (world, number, options) => { world.replicas.set(number, new Replica(options)) },
  'doc.drop': (world, number) => { world.replicas.delete(number) },
  'doc.client': (world, number, client) => { world.replica(number).doc.clientID = client },

  // -- edits: one transaction each, or several in one --
  edit: (world, number, ...edits) => {
    const replica = world.replica(number)
    return eventsOf(replica, () => replica.doc.transact(() => edits.forEach(edit => world.edit(replica, edit))))
  },

  // -- exchange inside the world; every answer lists the events that it caused there --
  // These updates of `from`'s log (numbers modulo its length), one after the other.
  send: (world, from, to, numbers, version) => {
    const { log } = world.replica(from)
    if (log.length === 0) return []
    return pick(log, numbers).flatMap(event => applyTo(world.replica(to), kVersions[version].of(event), version))
  },
  // The same, merged to one update first. Answers with the merged bytes, then the events.
  'send.merged': (world, from, to, numbers, version) => {
    const { log } = world.replica(from)
    if (log.length === 0) return []
    const { merge, of } = kVersions[version]
    const update = merge(pick(log, numbers).map(of))
    return [toBase64(update), ...applyTo(world.replica(to), update, version)]
  },
  // All that `from` ever emitted, merged, then cut to what `to` lacks, on bytes alone.
  'send.diffed': (world, from, to, version) => {
    const { log } = world.replica(from)
    if (log.length === 0) return []
    const { merge, diff, of } = kVersions[version]
    const update = diff(merge(log.map(of)), Y.encodeStateVector(world.replica(to).doc))
    return [toBase64(update), ...applyTo(world.replica(to), update, version)]
  },
  sync: (world, from, to, version) => {
    const vector = Y.encodeStateVector(world.replica(to).doc)
    const update = kVersions[version].encode(world.replica(from).doc, vector)
    return [toBase64(update), ...applyTo(world.replica(to), update, version)]
  },
  'send.whole': (world, from, to, version) => {
    const update = kVersions[version].encode(world.replica(from).doc)
    return [toBase64(update), ...applyTo(world.replica(to), update, version)]
  },

  // -- bytes from and to outside --
  apply: (world, number, update, version) => applyTo(world.replica(number), fromBase64(update), version),
  encode: (world, number, version, vector) =>
    toBase64(kVersions[version].encode(world.replica(number).doc, vector && fromBase64(vector))),
  vector: (world, number) => toBase64(Y.encodeStateVector(world.replica(number).doc)),
  merge: (world, updates, version) => toBase64(kVersions[version].merge(updates.map(fromBase64))),
  diff: (world, update, vector, version) =>
    toBase64(kVersions[version].diff(fromBase64(update), fromBase64(vector))),
  'vector.of': (world, update, version) => toBase64(kVersions[version].vector(fromBase64(update))),
  convert: (world, update, version) => toBase64(version === 1
    ? Y.convertUpdateFormatV1ToV2(fromBase64(update))
    : Y.convertUpdateFormatV2ToV1(fromBase64(update))),

  // -- views --
  // Touches the roots, so that all documents of a world show the same ones.
  roots: (world, number, targets) => {
    targets.forEach(target => world.find(world.replica(number), target))
  },
  view: (world, number) => world.view(world.replica(number)),
  // The same to the last detail; only for documents that are compared with each other.
  contents: (world, number) => [...world.replica(number).doc.share]
    .sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, type]) => [name, contentOf(type)]),
  'view.of': (world, number, target) => {
    const type = world.find(world.replica(number), target)
    return type === null ? null : viewOf(type)
  },
  length: (world, number, target) => world.find(world.replica(number), target)?.length ?? null,
  // All that two equal documents share.
  state: (world, number, version) => {
    const replica = world.replica(number)
    return {
      vector: toBase64(Y.encodeStateVector(replica.doc)),
      update: toBase64(kVersions[version].encode(replica.doc)),
      view: world.view(replica),
      types: world.types.map(id => {
        const type = world.find(replica, id)
        return type !== null && isText(type) ? encodeDelta(type.toDelta()) : null
      }),
      json: [...[...replica.doc.share.keys()].sort().map(name => replica.doc.share.get(name)),
        ...world.types.map(id => world.find(replica, id))].map(jsonOf)
    }
  },
  pending: (world, number) => {
    const { pendingStructs, pendingDs } = world.replica(number).doc.store
    return {
      missing: pendingStructs === null ? [] : [...pendingStructs.missing].sort(([a], [b]) => a - b),
      structs: pendingStructs === null ? null : toBase64(pendingStructs.update),
      deletes: pendingDs === null ? null : toBase64(pendingDs)
    }
  },

  // -- snapshots --
  snapshot: (world, number, slot) => {
    const snapshot = Y.snapshot(world.replica(number).doc)
    world.slots.set(slot, snapshot)
    return [toBase64(Y.encodeSnapshot(snapshot)), toBase64(Y.encodeSnapshotV2(snapshot))]
  },
  // A document as it was: needs gc off.
  'snapshot.restore': (world, number, slot) => {
    const { doc } = world.replica(number)
    if (!world.slots.has(slot)) return null
    const restored = Y.createDocFromSnapshot(doc, world.slots.get(slot), new Y.Doc({ gc: false, guid: 'doc' }))
    return toBase64(Y.encodeStateAsUpdate(restored))
  },
  'snapshot.delta': (world, number, target, slot) => {
    const text = world.find(world.replica(number), target)
    return text === null ? null : encodeDelta(text.toDelta(world.slots.get(slot)))
  },

  // -- relative positions --
  relative: (world, number, target, position, association) => {
    const type = world.find(world.replica(number), target)
    if (type === null || !(isText(type) || isList(type))) return null
    const relative = Y.createRelativePositionFromTypeIndex(type, at(position, type.length), association)
    world.relatives.push(toBase64(Y.encodeRelativePosition(relative)))
    return world.relatives[world.relatives.length - 1]
  },
  // Of the position that was made n-th in this world, modulo their count.
  'absolute.of': (world, number, n) => world.relatives.length === 0
    ? null
    : kCommands.absolute(world, number, world.relatives[n % world.relatives.length]),
  absolute: (world, number, relative) => {
    const position = Y.createAbsolutePositionFromRelativePosition(
      Y.decodeRelativePosition(fromBase64(relative)), world.replica(number).doc)
    return position === null ? null : { index: position.index, association: position.assoc }
  },

  // -- what observers are told --
  observe: (world, number, targets) => {
    const replica = world.replica(number)
    targets.forEach(target => replica.observe(world.find(replica, target)))
  },
  // Since the last time.
  events: (world, number) => world.replica(number).told.splice(0),

  // -- undo: every transaction is a step of its own, or with `joins` all until undo.stop --
  'undo.track': (world, number, targets, { joins = false, replaces = false } = {}) => {
    const replica = world.replica(number)
    const types = targets.map(target => world.find(replica, target)).filter(type => type !== null)
    replica.undo = new Y.UndoManager(types,
      { captureTimeout: joins ? kForever : 0, ignoreRemoteMapChanges: replaces, doc: replica.doc })
  },
  'undo.stop': (world, number) => { world.replica(number).undo?.stopCapturing() },
  undo: (world, number) => {
    const replica = world.replica(number)
    return replica.undo === null ? [] : eventsOf(replica, () => replica.undo.undo())
  },
  redo: (world, number) => {
    const replica = world.replica(number)
    return replica.undo === null ? [] : eventsOf(replica, () => replica.undo.redo())
  }
}
