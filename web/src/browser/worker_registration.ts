// Keeps the page itself on this device, so that it opens while its node is gone.
declare global {
  interface Window {
    trustedTypes?: {
      createPolicy(name: string, rules: { createScriptURL: (url: string) => string }):
        { createScriptURL(url: string): string }
    }
  }
}

const kWorker = '/worker.js'

export function keepPage(): void {
  if (!('serviceWorker' in navigator)) return
  const policy = window.trustedTypes?.createPolicy('coterie-worker', {
    createScriptURL: (url) => {
      if (url !== kWorker) throw new TypeError('not our worker')
      return url
    },
  })
  const url = policy ? policy.createScriptURL(kWorker) : kWorker
  navigator.serviceWorker.register(url).catch(() => undefined) // Works without it, online.
}
