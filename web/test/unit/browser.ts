// What the page's source finds in a browser, as far as these tests need it. Import it first.
const values = new Map<string, string>()
export const storage = {
  getItem: (key: string) => values.get(key) ?? null,
  setItem: (key: string, value: string) => { values.set(key, value) },
  removeItem: (key: string) => { values.delete(key) },
  key: (index: number) => [...values.keys()][index] ?? null,
  get length() { return values.size },
  clear: () => values.clear(),
}
const define = (name: string, value: unknown) =>
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })

define('localStorage', storage)
define('location', { origin: 'http://127.0.0.1:8080', hostname: '127.0.0.1', hash: '' })
define('window', globalThis)
define('addEventListener', () => undefined)
define('removeEventListener', () => undefined)
// Time passes as the tests' own clock says, however Date is set.
define('performance', { now: () => new Date().getTime() })
define('document', { documentElement: { dataset: {}, style: { setProperty: () => undefined } } })
define('navigator', { get onLine() { return true }, userAgent: 'test' })
