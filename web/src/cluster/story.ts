// What the cluster's nodes say, put together: who plays which role and how far each log is, which
// connections are cut, who asked for votes and who gave them, and what happened when. Knows no
// clock and no page.
import type { Happening, Pace, Watched, WatchedNode } from './watch'

const kLinesMax = 80
const kVotesTogetherMs = 10_000 // What both sides of a vote say of it comes within that.
const kTrailMax = 60
const kTrailEveryMs = 1_000
const kFreshMs = 2_500

export interface NodeView {
  id: string
  name: string
  role: 'leader' | 'follower' | 'candidate' | 'learner' | 'unreachable' | 'unknown'
  isVoter: boolean
  isReachable: boolean
  ageMs: number | null // Of what it says; null: it has said nothing.
  term: number
  appended: number
  committed: number
  applied: number
  lag: number
  pace: Pace | null
  said: WatchedNode
}
// Between two nodes. 'quiet': nobody expects anything there. `from` leads, where one does.
export interface LinkView {
  key: string
  from: string
  to: string
  kind: 'open' | 'cut' | 'quiet'
  sent: number // Appends, by all that `from` counted.
  acknowledged: number
}
export interface Line { key: string; timeMs: number; text: string; isLoud: boolean }
export interface Election {
  term: number
  candidate: string
  kind: 'would' | 'vote' | 'transfer'
  granted: string[]
  refused: string[]
  isWon: boolean
}
export interface Point { timeMs: number; updates: number; commitWorst: number | null }

const number = (value: string | undefined): number => Number(value ?? 0)
const nameOf = (id: string): string => `n${id}`
const kRoles: Record<string, NodeView['role']> = {
  NODE_ROLE_LEADER: 'leader', NODE_ROLE_FOLLOWER: 'follower', NODE_ROLE_LEARNER: 'learner',
  NODE_ROLE_CANDIDATE: 'candidate',
}
const kKinds: Record<string, Election['kind']> = {
  VOTE_KIND_PRE_VOTE: 'would', VOTE_KIND_VOTE: 'vote', VOTE_KIND_TRANSFER: 'transfer',
}

function viewOf(said: WatchedNode): NodeView {
  const { status } = said
  const isReachable = status.isReachable === true
  return {
    id: status.nodeId, name: nameOf(status.nodeId), isReachable, isVoter: said.isVoter === true,
    role: isReachable ? kRoles[status.role ?? ''] ?? 'unknown' : 'unreachable',
    ageMs: said.ageMs === undefined ? null : Number(said.ageMs), term: number(status.term),
    appended: number(status.lastIndex), committed: number(status.commitIndex),
    applied: number(status.appliedIndex), lag: number(status.lagEntries),
    // How fast it was is nothing of how fast it is.
    pace: Number(said.ageMs ?? kFreshMs) < kFreshMs && isReachable ? said.pace ?? null : null, said,
  }
}

export const isFresh = (view: NodeView): boolean => view.ageMs !== null && view.ageMs < kFreshMs

// Of each pair of nodes what those of the two say that were heard of lately. Who leads, or asks for
// votes, knows; and of who says nothing nobody claims that it can be reached.
export function linksOf(nodes: readonly NodeView[]): LinkView[] {
  const links: LinkView[] = []
  nodes.forEach((a, i) => {
    for (const b of nodes.slice(i + 1)) {
      const [from, to] = b.role === 'leader' && a.role !== 'leader' ? [b, a] : [a, b]
      const word = (speaker: NodeView, of: NodeView) => (isFresh(speaker)
        ? speaker.said.links?.find(({ nodeId }) => nodeId === of.id) : undefined)
      const [forth, back] = [word(from, to), word(to, from)]
      const isCut = forth?.isHeard === false || back?.isHeard === false || !from.isReachable ||
        !to.isReachable
      const isOpen = forth?.isHeard === true || back?.isHeard === true
      links.push({
        key: `${a.id}-${b.id}`, from: from.id, to: to.id,
        kind: isCut ? 'cut' : isOpen ? 'open' : 'quiet',
        sent: number(forth?.appendsSent), acknowledged: number(forth?.appendsAcknowledged),
      })
    }
  })
  return links
}

export function verdictOf(nodes: readonly NodeView[]): string {
  const voters = nodes.filter(({ isVoter }) => isVoter)
  const up = voters.filter(({ isReachable }) => isReachable).length
  const spare = up - (Math.floor(voters.length / 2) + 1)
  if (spare < 0) return `${up} of ${voters.length} voters here: no majority, nothing can be saved`
  return `${up} of ${voters.length} voters here; ${spare} more may fail`
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`

export class Story {
  nodes: NodeView[] = []
  links: LinkView[] = []
  answering = ''
  leader = '0'
  lines: Line[] = [] // The newest first.
  election: Election | null = null // The last one.
  points: Point[] = []
  votedMs = 0 // When a vote was heard of last, by the page's clock; 0 = it was before that began.
  private readonly known = new Map<string, string>() // By node: how far its happenings were heard.
  private readonly votes = new Map<string, number>() // When a vote was told last.
  private readonly leaderless = new Map<string, number>() // Since when, by node and its clock.
  private readonly roles = new Map<string, string>()
  private lastWon: Election | null = null
  private hasVoted = false // Since the last word.
  private isFirst = true

  // Returns what is worth saying aloud.
  take(word: Watched, nowMs: number): string[] {
    const before = this.nodes
    this.answering = word.answeringNodeId
    this.leader = word.leaderId ?? '0'
    this.nodes = (word.nodes ?? []).map(viewOf)
    this.links = linksOf(this.nodes)
    const news: Line[] = []
    for (const happening of word.happenings ?? []) this.note(happening, news)
    if (this.leader === '0') this.noteLost(before, nowMs, news)
    this.lines = [...news.reverse(), ...this.lines].sort((a, b) => b.timeMs - a.timeMs)
      .slice(0, kLinesMax)
    this.extend(nowMs)
    if (this.hasVoted && !this.isFirst) this.votedMs = nowMs
    this.hasVoted = false
    const loud = this.isFirst ? [] : news.filter(({ isLoud }) => isLoud).map(({ text }) => text)
    this.isFirst = false
    return loud.reverse()
  }

  private note(happening: Happening, news: Line[]): void {
    const { nodeId, startedMs = '', office, voteAsked, voteAnswered, contact } = happening
    const [life, last] = (this.known.get(nodeId) ?? ' 0').split(' ')
    if (life === startedMs && Number(happening.number) <= Number(last)) return
    this.known.set(nodeId, `${startedMs} ${happening.number}`)
    const timeMs = Number(happening.timeMs)
    const term = number(happening.term)
    const key = `${nodeId} ${startedMs} ${happening.number}`
    const add = (text: string, isLoud = false) => news.push({ key, timeMs, text, isLoud })
    const name = nameOf(nodeId)
    if (life !== '' && life !== startedMs) {
      news.push({ key: `${key} start`, timeMs: Number(startedMs), isLoud: true,
        text: `${name} was started` })
      this.roles.delete(nodeId)
      this.leaderless.delete(nodeId)
    }
    if (office) this.noteOffice({ nodeId, timeMs, term }, office, add)
    if (voteAsked) {
      const kind = kKinds[voteAsked.kind ?? ''] ?? 'vote'
      this.hasVoted = true
      const { election } = this
      // Whom it asked may have been heard first.
      const isCounted = election?.candidate === nodeId && election.term === term &&
        election.kind === kind && !election.isWon
      if (!isCounted) {
        this.election = { term, candidate: nodeId, kind, granted: [nodeId], refused: [],
          isWon: false }
      }
      add(kind === 'would' ? `${name} asks who would vote for it in term ${term}`
        : `${name} asks for votes in term ${term}${
          kind === 'transfer' ? ', as the leader hands over' : ''}`)
    }
    if (voteAnswered) this.noteVote({ timeMs, term }, voteAnswered, add)
    if (contact) {
      const peer = nameOf(contact.peerId)
      add(contact.isHeard ? `${peer} answers the leader ${name} again`
        : `${peer} does not answer the leader ${name}`, true)
    }
  }

  private noteOffice({ nodeId, timeMs, term }: { nodeId: string; timeMs: number; term: number },
      { role = '', leaderId = '0', silentMs }: NonNullable<Happening['office']>,
      add: (text: string, isLoud?: boolean) => void): void {
    const name = nameOf(nodeId)
    const was = this.roles.get(nodeId)
    this.roles.set(nodeId, role)
    const since = this.leaderless.get(nodeId)
    // From when it last heard from the one that it had.
    if (leaderId === '0') this.leaderless.set(nodeId, since ?? timeMs - number(silentMs))
    else this.leaderless.delete(nodeId)
    if (role === 'NODE_ROLE_LEADER') {
      const gap = since === undefined ? '' : `, after ${seconds(timeMs - since)} without a leader`
      if (this.election?.candidate === nodeId && this.election.term === term) {
        this.election = this.lastWon = { ...this.election, isWon: true }
      }
      add(`${name} leads in term ${term}${gap}`, true)
    } else if (was === 'NODE_ROLE_LEADER') {
      add(`${name} does not lead any more, in term ${term}`, true)
    } else if (was === 'NODE_ROLE_CANDIDATE' && leaderId !== '0') {
      add(`${name} follows ${nameOf(leaderId)} in term ${term}`)
      // It asked in vain, as who comes back does, or was not the only one.
      if (this.election?.candidate === nodeId) this.election = this.lastWon
    }
  }

  // Told by the voter and by the candidate; once is enough.
  private noteVote({ timeMs, term }: { timeMs: number; term: number },
      vote: NonNullable<Happening['voteAnswered']>, add: (text: string) => void): void {
    const { candidateId, voterId, isGranted = false } = vote
    const kind = kKinds[vote.kind ?? ''] ?? 'vote'
    const same = `${kind} ${term} ${candidateId} ${voterId} ${isGranted}`
    const told = this.votes.get(same)
    if (told !== undefined && Math.abs(timeMs - told) < kVotesTogetherMs) return
    if (this.votes.size > 1_000) this.votes.clear()
    this.votes.set(same, timeMs)
    this.count(kind, term, vote)
    const [voter, candidate] = [nameOf(voterId), nameOf(candidateId)]
    if (kind === 'would') {
      add(`${voter} would ${isGranted ? '' : 'not '}vote for ${candidate}, in term ${term}`)
    } else {
      add(`${voter} ${isGranted ? 'votes for' : 'does not vote for'} ${candidate}, in term ${term}`)
    }
  }

  private count(kind: Election['kind'], term: number,
      { candidateId, voterId, isGranted }: NonNullable<Happening['voteAnswered']>): void {
    let { election } = this
    // A voter may be heard before the candidate is.
    if (!election || election.term < term || (election.term === term && election.kind === 'would' &&
        kind !== 'would')) {
      election = { term, candidate: candidateId, kind, granted: [candidateId], refused: [],
        isWon: false }
    }
    this.election = election
    if (election.candidate !== candidateId || election.kind !== kind) return
    this.hasVoted = true
    const side = isGranted ? 'granted' : 'refused'
    if (election[side].includes(voterId)) return
    this.election = { ...election, [side]: [...election[side], voterId] }
  }

  // Without a leader nobody says who is lost, but the node that this page is with.
  private noteLost(before: readonly NodeView[], timeMs: number, news: Line[]): void {
    for (const { id, name, isReachable } of this.nodes) {
      const was = before.find((each) => each.id === id)
      if (!was || was.isReachable === isReachable) continue
      news.push({ key: `${id} ${timeMs}`, timeMs, isLoud: true,
        text: `${name} is ${isReachable ? 'heard again' : 'not heard any more'} by ${
          nameOf(this.answering)}` })
    }
  }

  // What the whole cluster did, as the newest point of its trail.
  private extend(timeMs: number): void {
    if (timeMs - (this.points.at(-1)?.timeMs ?? 0) < kTrailEveryMs) return
    const paces = this.nodes.filter(isFresh).flatMap(({ pace }) => (pace ? [pace] : []))
    if (paces.length === 0) return
    const worst = paces.flatMap(({ commitP99Ms }) => (commitP99Ms === undefined ? [] : [commitP99Ms]))
    this.points = [...this.points, {
      timeMs, updates: paces.reduce((sum, { updatesPerSecond = 0 }) => sum + updatesPerSecond, 0),
      commitWorst: worst.length > 0 ? Math.max(...worst) : null,
    }].slice(-kTrailMax)
  }
}

// Where a node's log stands within the stretch that all are shown in, from 0 (its begin) to 1 (the
// longest log's end).
export interface Tape { applied: number; committed: number; appended: number; begin: number }

// The stretch: so long that who is behind can be seen, in steps, so that it does not breathe.
export function stretchOf(nodes: readonly NodeView[]): { begin: number; end: number } {
  const known = nodes.filter(({ appended }) => appended > 0)
  const end = Math.max(0, ...known.map(({ appended, committed }) => Math.max(appended, committed)))
  const behind = Math.max(0, ...known.map(({ applied }) => end - applied))
  let size = 40
  while (size < 1.25 * behind && size < 40 * 2 ** 30) size *= 2
  return { begin: Math.max(0, end - size), end: Math.max(end, 1) }
}

export function tapeOf({ appended, committed, applied }: NodeView,
    { begin, end }: { begin: number; end: number }): Tape {
  const at = (index: number) => Math.min(1, Math.max(0, (index - begin) / Math.max(1, end - begin)))
  return { applied: at(applied), committed: at(committed), appended: at(Math.max(appended, committed)),
    begin }
}
