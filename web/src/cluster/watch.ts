// The cluster as its nodes tell it, live: one stream from the node that this page is with, which
// hears from the others. When that node falls silent the page goes to the next one. Nothing is
// asked while the page is hidden.
import { useEffect, useState } from 'preact/hooks'

import { call, CallError, type NodeStatus } from './api'
import { leave, node } from './nodes'
import { stream } from './stream'

// 64-bit numbers are strings, and what is 0, false or empty is left out.
export interface PeerLink {
  nodeId: string
  isHeard?: boolean // Left out: nothing is expected from there. False is said.
  appendsSent?: string
  appendsAcknowledged?: string
  matchIndex?: string
}
export interface Pace {
  updatesPerSecond?: number
  deliveriesPerSecond?: number
  callsPerSecond?: number
  commitMedianMs?: number
  commitP99Ms?: number
  appendMedianMs?: number
  callP99Ms?: number
}
export interface WatchedNode {
  status: NodeStatus
  isVoter?: boolean
  ageMs?: string
  leaderId?: string
  links?: PeerLink[]
  pace?: Pace
}
export interface Happening {
  nodeId: string
  startedMs?: string
  number: string
  timeMs: string
  term?: string
  office?: { role?: string; leaderId?: string; silentMs?: string }
  voteAsked?: { kind?: string }
  voteAnswered?: { kind?: string; candidateId: string; voterId: string; isGranted?: boolean }
  contact?: { peerId: string; isHeard?: boolean }
}
export interface Watched {
  answeringNodeId: string
  leaderId?: string
  timeMs?: string
  nodes?: WatchedNode[]
  happenings?: Happening[]
}

const kSilentMs = 3_000 // A node says something every second.
const kRetryMs = 400

// Until `signal`; what went wrong is told, and it is tried again.
export async function watchCluster(onWord: (word: Watched) => void,
    onError: (error: unknown) => void, signal: AbortSignal): Promise<void> {
  const isOver = () => signal.aborted
  while (!isOver()) {
    const connection = new AbortController()
    const end = () => connection.abort()
    signal.addEventListener('abort', end)
    const origin = node()
    const fallSilent = () => {
      leave(origin)
      connection.abort()
    }
    let watchdog = setTimeout(fallSilent, kSilentMs)
    try {
      const words = stream<Watched>('ClusterService/WatchCluster', {}, connection.signal)
      for await (const word of words) {
        clearTimeout(watchdog)
        watchdog = setTimeout(fallSilent, kSilentMs)
        onWord(word)
      }
    } catch (error) {
      onError(error)
      // Whose session is over begins with the sign-in: that call sees to it.
      if (error instanceof CallError && error.code === 'unauthenticated') {
        await call('AuthService/WhoAmI').catch(() => undefined)
      }
    }
    clearTimeout(watchdog)
    signal.removeEventListener('abort', end)
    if (!isOver()) await new Promise((done) => setTimeout(done, kRetryMs))
  }
}

// While the page is seen. Returns why nothing comes, if nothing does.
export function useWatch(onWord: (word: Watched) => void): unknown {
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    let watching: AbortController | null = null
    const follow = () => {
      if (document.hidden) {
        watching?.abort()
        watching = null
      } else if (!watching) {
        watching = new AbortController()
        void watchCluster((word) => {
          setError(null)
          onWord(word)
        }, setError, watching.signal)
      }
    }
    follow()
    document.addEventListener('visibilitychange', follow)
    return () => {
      document.removeEventListener('visibilitychange', follow)
      watching?.abort()
    }
  }, [])
  return error
}
