// The service worker: the network first, what it last brought when there is none. It keeps the
// page's own files and nothing of anybody's documents.
export {}

const kCache = 'coterie-page-1'
const worker = self as unknown as WorkerScope

interface WorkerScope {
  addEventListener(kind: 'install' | 'activate', run: (event: Waitable) => void): void
  addEventListener(kind: 'fetch', run: (event: Fetched) => void): void
  skipWaiting(): Promise<void>
  clients: { claim(): Promise<void> }
}
interface Waitable { waitUntil(done: Promise<unknown>): void }
interface Fetched { request: Request; respondWith(answer: Promise<Response>): void }

async function keepIndex(): Promise<void> {
  const cache = await caches.open(kCache)
  const index = await (await fetch('/index.html')).text()
  const files = [...index.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] ?? '/')
  await cache.addAll(['/', ...files])
  for (const kept of await cache.keys()) {
    const { pathname } = new URL(kept.url)
    if (pathname !== '/' && !files.includes(pathname)) await cache.delete(kept)
  }
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(kCache)
  try {
    const fresh = await fetch(request)
    if (fresh.ok) await cache.put(request, fresh.clone())
    return fresh
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true })
    if (kept) return kept
    throw error
  }
}

worker.addEventListener('install', (event) => {
  event.waitUntil(keepIndex().then(() => worker.skipWaiting()))
})
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()))
worker.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  const isPage = url.pathname === '/' || /\.(js|css|svg)$/.test(url.pathname)
  if (event.request.method !== 'GET' || url.origin !== location.origin || !isPage) return
  event.respondWith(answer(event.request))
})
