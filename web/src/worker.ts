// The service worker: the network first, what it last brought when there is none, or when it does
// not answer for a moment; files that are named by what is in them need no network once they are
// here. It keeps the page's own files and nothing of anybody's documents.
export {}

const kCache = 'coterie-page-1'
const kPatienceMs = 700 // A node that hangs takes calls and answers none.
const worker = self as unknown as WorkerScope

interface WorkerScope {
  addEventListener(kind: 'install' | 'activate', run: (event: Waitable) => void): void
  addEventListener(kind: 'fetch', run: (event: Fetched & Waitable) => void): void
  addEventListener(kind: 'message', run: (event: Posted & Waitable) => void): void
  skipWaiting(): Promise<void>
  clients: { claim(): Promise<void> }
}
interface Posted { data: unknown }
interface Waitable { waitUntil(done: Promise<unknown>): void }
interface Asked { request: Request }
const isNamedByContent = (pathname: string): boolean => /-0[0-9A-Z]{8}\.\w+$/.test(pathname)

interface Fetched extends Asked { respondWith(answer: Promise<Response>): void }

// Keeps the page when it has all of its files, and not before: an index without its script would be
// an empty page. What belongs to an earlier one goes.
async function keepPage(index: Response): Promise<void> {
  const cache = await caches.open(kCache)
  const text = await index.clone().text()
  const files = [...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] ?? '/')
  const missing: string[] = []
  for (const file of files) if (!(await cache.match(file))) missing.push(file)
  await cache.addAll(missing)
  await cache.put('/', index)
  for (const kept of await cache.keys()) {
    const { pathname } = new URL(kept.url)
    if (pathname !== '/' && !files.includes(pathname)) await cache.delete(kept)
  }
}

async function load(event: Asked & Waitable, cache: Cache, pathname: string): Promise<Response> {
  const { request } = event
  const fresh = await fetch(request)
  if (fresh.ok && pathname === '/') event.waitUntil(keepPage(fresh.clone()).catch(() => undefined))
  else if (fresh.ok) await cache.put(request, fresh.clone())
  return fresh
}

async function answer(event: Asked & Waitable): Promise<Response> {
  const cache = await caches.open(kCache)
  const { pathname } = new URL(event.request.url)
  const kept = await cache.match(pathname)
  if (kept && isNamedByContent(pathname)) return kept
  const fresh = load(event, cache, pathname)
  if (!kept) return fresh
  event.waitUntil(fresh.catch(() => undefined)) // For the next time, however long it takes.
  const patience = new Promise<Response>((done) => setTimeout(() => done(kept), kPatienceMs))
  return Promise.race([fresh.catch(() => kept), patience])
}

worker.addEventListener('install', (event) => {
  event.waitUntil(fetch('/').then(keepPage).then(() => worker.skipWaiting()))
})
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()))
worker.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  const isPage = url.pathname === '/' || /\.(js|css|svg)$/.test(url.pathname)
  if (event.request.method !== 'GET' || url.origin !== location.origin || !isPage) return
  event.respondWith(answer(event))
})
// The last calls of a page that goes; nobody waits for their answers.
worker.addEventListener('message', (event) => {
  const { url, init } = event.data as { url: string; init: RequestInit }
  event.waitUntil(fetch(url, init).catch(() => undefined))
})
