// The other engines behind one face, so that measure.mjs treats all alike. A peer's document:
//
//   new(client, onUpdate)   empty, or what base(client, onUpdate, bytes) loads
//   insert(i, text)  remove(i, n)  values(i, array)  set(key, value)  format(i, n, key, value)
//                           one edit = one transaction = one call of onUpdate(bytes)
//   apply(bytes)            an update of another document
//   applyAll(list)          many at once, in the way that the engine has for it
//   encode() -> bytes       the whole document, as it would be stored
//   read(root)              the content as JavaScript: so that lazy engines do their work
//   free()
//
// Each engine is used as its own documentation shows, without anything experimental.

export const kPeers = {
  async yjs () {
    const Y = await import('yjs')
    return class {
      constructor (client, onUpdate, bytes) {
        this.doc = new Y.Doc()
        this.doc.clientID = client
        if (bytes) Y.applyUpdate(this.doc, bytes)
        if (onUpdate) this.doc.on('update', (update, origin) => { if (origin !== 'remote') onUpdate(update) })
        this.text = this.doc.getText('text')
        this.array = this.doc.getArray('array')
        this.map = this.doc.getMap('map')
      }

      insert (position, text) { this.text.insert(position, text) }
      remove (position, count) { this.text.delete(position, count) }
      values (position, values) { this.array.insert(position, values) }
      set (key, value) { this.map.set(key, value) }
      format (position, count, key, value) { this.text.format(position, count, { [key]: value }) }
      apply (bytes) { Y.applyUpdate(this.doc, bytes, 'remote') }
      // Not mergeUpdates, which takes minutes for B4's updates.
      applyAll (list) { this.doc.transact(() => list.forEach(update => this.apply(update)), 'remote') }
      encode () { return Y.encodeStateAsUpdate(this.doc) }
      read (root) { return root === 'text' ? this.text.toString() : this[root].toJSON() }
      free () { this.doc.destroy() }
    }
  },

  async ywasm () {
    const { default: Y } = await import('ywasm')
    return class {
      constructor (client, onUpdate, bytes) {
        this.doc = new Y.YDoc({ clientID: client, offsetKind: 'utf16' })
        this.text = this.doc.getText('text')
        this.array = this.doc.getArray('array')
        this.map = this.doc.getMap('map')
        if (bytes) Y.applyUpdate(this.doc, bytes, undefined)
        this.remote = false
        if (onUpdate) this.observer = this.doc.onUpdate(update => { if (!this.remote) onUpdate(update) })
      }

      insert (position, text) { this.text.insert(position, text, undefined, undefined) }
      remove (position, count) { this.text.delete(position, count, undefined) }
      values (position, values) { this.array.insert(position, values, undefined) }
      set (key, value) { this.map.set(key, value, undefined) }
      format (position, count, key, value) { this.text.format(position, count, { [key]: value }, undefined) }
      apply (bytes) {
        this.remote = true
        Y.applyUpdate(this.doc, bytes, undefined)
        this.remote = false
      }

      applyAll (list) {
        const transaction = this.doc.beginTransaction('remote')
        list.forEach(update => transaction.applyV1(update))
        transaction.commit()
        transaction.free()
      }

      encode () { return Y.encodeStateAsUpdate(this.doc, undefined) }
      read (root) { return root === 'text' ? this.text.toString(undefined) : this[root].toJson(undefined) }
      free () { this.doc.free() }
    }
  },

  async loro () {
    const { LoroDoc } = await import('loro-crdt')
    return class {
      constructor (client, onUpdate, bytes) {
        this.doc = new LoroDoc()
        this.doc.setPeerId(BigInt(client))
        this.doc.configTextStyle({ bold: { expand: 'after' } })
        if (bytes) this.doc.import(bytes)
        if (onUpdate) this.doc.subscribeLocalUpdates(onUpdate)
        this.text = this.doc.getText('text')
        this.array = this.doc.getList('array')
        this.map = this.doc.getMap('map')
      }

      insert (position, text) {
        this.text.insert(position, text)
        this.doc.commit()
      }

      remove (position, count) {
        this.text.delete(position, count)
        this.doc.commit()
      }

      values (position, values) {
        values.forEach((value, i) => this.array.insert(position + i, value))
        this.doc.commit()
      }

      set (key, value) {
        this.map.set(key, value)
        this.doc.commit()
      }

      format (position, count, key, value) {
        const range = { start: position, end: position + count }
        if (value === null) this.text.unmark(range, key)
        else this.text.mark(range, key, value)
        this.doc.commit()
      }

      apply (bytes) { this.doc.import(bytes) }
      applyAll (list) { this.doc.importBatch(list) }
      encode () { return this.doc.export({ mode: 'snapshot' }) }
      read (root) { return root === 'text' ? this.text.toString() : this[root].toJSON() }
      free () { this.doc.free() }
    }
  },

  async automerge () {
    const A = await import('@automerge/automerge')
    // All documents of a case must come from one that made the three roots.
    const actor = number => number.toString(16).padStart(32, '0')
    const root = A.save(A.change(A.init({ actor: actor(0xffffff) }),
      doc => Object.assign(doc, { text: '', array: [], map: {} })))
    return class {
      constructor (client, onUpdate, bytes) {
        this.doc = A.load(bytes ?? root, { actor: actor(client) })
        this.onUpdate = onUpdate
      }

      change (act) {
        this.doc = A.change(this.doc, act)
        if (this.onUpdate) this.onUpdate(A.getLastLocalChange(this.doc))
      }

      insert (position, text) { this.change(doc => A.splice(doc, ['text'], position, 0, text)) }
      remove (position, count) { this.change(doc => A.splice(doc, ['text'], position, count)) }
      values (position, values) { this.change(doc => doc.array.insertAt(position, ...values)) }
      set (key, value) { this.change(doc => { doc.map[key] = value }) }
      format (position, count, key, value) {
        const range = { start: position, end: position + count, expand: 'after' }
        this.change(doc => (value === null ? A.unmark(doc, ['text'], range, key) : A.mark(doc, ['text'], range, key, value)))
      }

      apply (bytes) { this.applyAll([bytes]) }
      applyAll (list) { [this.doc] = A.applyChanges(this.doc, list) }
      encode () { return A.save(this.doc) }
      read (name) { return name === 'text' ? this.doc.text : A.toJS(this.doc)[name] }
      free () { A.free(this.doc) }
    }
  }
}
