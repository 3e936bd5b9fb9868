// What this device keeps of an open document: its updates, as rows of an IndexedDB database that all
// tabs of one user share. Each tab knows which rows its own document has, and removes no others: what
// another tab has written stays until a tab that has read it knows that the cluster has it.
//
// It says whether all of the document is kept, and that is not so before the database was read, when
// the browser has none, when it is full, or when it was taken away. Then it tries again.
import * as Y from 'yjs'

const kRows = 'updates'
const kRowsMax = 400 // Then those of this document become one.
const kPatienceMs = 1_500 // A device that is slower than that begins without its copy.
const kRetryMs = 10_000

// Copies that are being forgotten, by name: who opens one waits for that.
const leaving = new Map<string, Promise<void>>()

function openDatabase(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(kRows, { autoIncrement: true })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('IndexedDB does not open'))
  })
}

// Resolves when what `run` asks for is done, for good; rejects when none of it is. Committed at
// once: a page that is closed in the same moment has no turn left to let the transaction end.
function write(db: IDBDatabase, run: (rows: IDBObjectStore) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(kRows, 'readwrite')
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB does not write'))
    run(transaction.objectStore(kRows))
    transaction.commit()
  })
}

function read(db: IDBDatabase): Promise<[IDBValidKey[], Uint8Array[]]> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(kRows, 'readonly')
    const keys = transaction.objectStore(kRows).getAllKeys()
    const updates = transaction.objectStore(kRows).getAll() as IDBRequest<Uint8Array[]>
    transaction.oncomplete = () => resolve([keys.result, updates.result])
    transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB does not read'))
  })
}

// The document as it is kept under `name`, for when the cluster has it no more.
export async function readCopy(name: string): Promise<Y.Doc> {
  await leaving.get(name)
  const db = await openDatabase(name)
  const [, updates] = await read(db).finally(() => db.close())
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

export function deleteCopy(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = () => resolve()
    request.onerror = () => reject(request.error ?? new Error('IndexedDB does not delete'))
  })
}

export interface LocalCopyOptions {
  name: string
  doc: Y.Doc
  onChange: () => void // Whether all is kept.
}

export class LocalCopy {
  // When what was kept is in the document, or need not be waited for. Never rejects.
  readonly ready: Promise<void>
  hadText = false // Something of the document was here when it was opened.
  private db: IDBDatabase | null = null
  private readonly rows = new Map<IDBValidKey, number>() // That the document has, by their write.
  private writes = 0
  private last: Promise<unknown> = Promise.resolve() // Write; they end in their order.
  private isMissing = false // Something of the document is in no row.
  private isClosed = false
  private retryTimer = 0
  private readonly tabs: BroadcastChannel

  constructor(private readonly options: LocalCopyOptions) {
    options.doc.on('update', this.onUpdate)
    this.tabs = new BroadcastChannel(options.name)
    this.tabs.onmessage = () => { if (this.db) this.keepWhole(this.db) }
    const late = new Promise<void>((done) => setTimeout(done, kPatienceMs))
    this.ready = Promise.race([this.attach(), late])
  }

  // All that the document has is on this device as well.
  get isKeeping(): boolean {
    return this.db !== null && !this.isMissing
  }

  // No tab has left edits on this device that this document lacks. False when it is not known.
  async hasAll(): Promise<boolean> {
    try {
      await this.last
      const { db } = this
      if (!db) return false
      const [keys] = await read(db)
      await this.last // What was written while it was read.
      return db === this.db && keys.every((key) => this.rows.has(key))
    } catch {
      return false
    }
  }

  // All that the document has now is on the cluster, as text or as a draft, and is to be no part of
  // the document when it is opened again.
  forget(): void {
    const { db, writes } = this
    if (!db) return
    const done = this.last.then(() => write(db, (rows) => {
      for (const [key, count] of this.rows) if (count <= writes) rows.delete(key)
    })).then(() => this.tabs.postMessage('removed'))
      .catch(() => undefined) // They stay, and are refused and kept as a draft once more.
    leaving.set(this.options.name, done)
    void done.then(() => {
      if (leaving.get(this.options.name) === done) leaving.delete(this.options.name)
    })
  }

  close(): void {
    this.isClosed = true
    this.options.doc.off('update', this.onUpdate)
    clearTimeout(this.retryTimer)
    const { db } = this
    void (leaving.get(this.options.name) ?? Promise.resolve()).then(() => {
      db?.close()
      this.tabs.close()
    })
  }

  private async attach(): Promise<void> {
    const { name, doc } = this.options
    let db: IDBDatabase | null = null
    try {
      await leaving.get(name)
      const opened = db = await openDatabase(name)
      const [keys, updates] = await read(opened)
      if (this.isClosed) return opened.close()
      Y.transact(doc, () => {
        for (const update of updates) Y.applyUpdate(doc, update)
      }, this)
      // Somebody clears what this browser keeps.
      opened.onversionchange = opened.onclose = () => this.fail(opened)
      this.db = opened
      this.hadText = keys.length > 0
      for (const key of keys) this.rows.set(key, 0)
      if (this.isMissing || keys.length > kRowsMax) this.keepWhole(opened)
      this.options.onChange()
    } catch {
      db?.close()
      this.fail(null)
    }
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown) => {
    if (origin === this) return
    if (!this.db) {
      this.isMissing = true // Until it is there.
      return
    }
    void this.put(this.db, update, [])
    if (this.rows.size > kRowsMax) this.keepWhole(this.db)
  }

  // The document as one row, in place of those that it has.
  private keepWhole(db: IDBDatabase): void {
    const replaced = [...this.rows.keys()]
    this.rows.clear()
    void this.put(db, Y.encodeStateAsUpdate(this.options.doc), replaced).then((isWritten) => {
      if (!isWritten || db !== this.db || !this.isMissing) return
      this.isMissing = false
      this.options.onChange()
    })
  }

  private put(db: IDBDatabase, update: Uint8Array, replaced: IDBValidKey[]): Promise<boolean> {
    const count = ++this.writes
    let key: IDBValidKey = 0
    const written = write(db, (rows) => {
      const request = rows.add(update)
      request.onsuccess = () => { key = request.result }
      for (const each of replaced) rows.delete(each)
    }).then(() => {
      this.rows.set(key, count)
      return true
    }, () => {
      for (const each of replaced) this.rows.set(each, 0)
      this.fail(db)
      return false
    })
    this.last = written
    return written
  }

  // Something was not written to `db`, or none opened: all is written anew, later.
  private fail(db: IDBDatabase | null): void {
    db?.close()
    if (this.isClosed) return
    this.isMissing = true
    if (db === this.db) this.db = null
    clearTimeout(this.retryTimer)
    this.retryTimer = window.setTimeout(() => void this.attach(), kRetryMs)
    this.options.onChange()
  }
}
