import './browser'

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { linksOf, Story, stretchOf, tapeOf, verdictOf } from '../../src/cluster/story'
import type { Happening, PeerLink, Watched, WatchedNode } from '../../src/cluster/watch'

interface Said { role?: string; ageMs?: string | undefined; isReachable?: boolean; at?: number
  applied?: number; links?: PeerLink[]; pace?: WatchedNode['pace'] }

function said(id: string, { role = 'FOLLOWER', isReachable = true, at = 100, applied = at, links = [],
  ...more }: Said = {}): WatchedNode {
  const ageMs = 'ageMs' in more ? more.ageMs : '100'
  return {
    status: { nodeId: id, role: `NODE_ROLE_${role}`, term: '3', lastIndex: String(at),
      commitIndex: String(at), appliedIndex: String(applied), isReachable },
    isVoter: true, links, ...(ageMs === undefined ? {} : { ageMs }),
    ...(more.pace ? { pace: more.pace } : {}),
  }
}
const word = (nodes: WatchedNode[], happenings: Happening[] = [], leaderId = '1'): Watched =>
  ({ answeringNodeId: '2', leaderId, nodes, happenings })

let number = 0
const at = (nodeId: string, timeMs: number, term: number, what: Partial<Happening>): Happening =>
  ({ nodeId, startedMs: '5', number: String(++number), timeMs: String(timeMs),
    term: String(term), ...what })
const office = (role: string, leaderId: string, silentMs = '0') =>
  ({ office: { role: `NODE_ROLE_${role}`, leaderId, silentMs } })
const asked = (kind: string) => ({ voteAsked: { kind: `VOTE_KIND_${kind}` } })
const answered = (kind: string, candidateId: string, voterId: string, isGranted: boolean) =>
  ({ voteAnswered: { kind: `VOTE_KIND_${kind}`, candidateId, voterId, isGranted } })
const texts = (story: Story) => story.lines.map(({ text }) => text)

const three = (): WatchedNode[] => [said('1', { role: 'LEADER', links: [
  { nodeId: '2', isHeard: true, appendsSent: '9', appendsAcknowledged: '8' },
  { nodeId: '3', isHeard: true }] }), said('2', { links: [{ nodeId: '1', isHeard: true },
  { nodeId: '3' }] }), said('3')]

function kindsOf(nodes: WatchedNode[]): string[] {
  const story = new Story()
  story.take(word(nodes), 0)
  return story.links.map(({ key, kind }) => `${key} ${kind}`)
}

test('an election is told from both sides once, with the time since the leader was heard', () => {
  const story = new Story()
  assert.deepEqual(story.take(word(three(), [at('1', 100, 3, office('LEADER', '1')),
    at('2', 101, 3, office('FOLLOWER', '1'))]), 200), []) // That is no news, for who comes now.
  const granted = answered('VOTE', '2', '3', true)
  const aloud = story.take(word(three(), [
    at('2', 1_300, 3, office('CANDIDATE', '0', '300')), at('2', 1_300, 4, asked('PRE_VOTE')),
    at('3', 1_301, 4, answered('PRE_VOTE', '2', '3', true)),
    at('2', 1_302, 4, answered('PRE_VOTE', '2', '3', true)), at('2', 1_303, 4, asked('VOTE')),
    at('3', 1_304, 4, granted), at('2', 1_305, 4, granted),
    at('2', 1_306, 4, office('LEADER', '2')), at('3', 1_307, 4, office('FOLLOWER', '2'))], '2'),
  1_400)
  assert.deepEqual(aloud, ['n2 leads in term 4, after 0.31 s without a leader'])
  assert.deepEqual(texts(story), [
    'n2 leads in term 4, after 0.31 s without a leader', 'n3 votes for n2, in term 4',
    'n2 asks for votes in term 4', 'n3 would vote for n2, in term 4',
    'n2 asks who would vote for it in term 4', 'n1 leads in term 3'])
  assert.deepEqual(story.election, { term: 4, candidate: '2', kind: 'vote', granted: ['2', '3'],
    refused: [], isWon: true })
  assert.equal(story.votedMs, 1_400)
})

test('who asks in vain and follows is no election', () => {
  const story = new Story()
  story.take(word(three(), [at('1', 10, 3, asked('VOTE')),
    at('1', 11, 3, answered('VOTE', '1', '2', true)), at('1', 12, 3, office('LEADER', '1'))]), 20)
  const won = story.election
  story.take(word(three(), [at('3', 30, 3, office('CANDIDATE', '0')),
    at('3', 31, 4, asked('PRE_VOTE')), at('1', 32, 3, answered('PRE_VOTE', '3', '1', false))]), 40)
  assert.deepEqual(story.election, { term: 4, candidate: '3', kind: 'would', granted: ['3'],
    refused: ['1'], isWon: false })
  assert.equal(story.votedMs, 40)
  story.take(word(three(), [at('3', 50, 3, office('FOLLOWER', '1'))]), 60)
  assert.deepEqual(story.election, won)
  assert.equal(story.votedMs, 40)
})

test('a leader that steps down says so', () => {
  const story = new Story()
  story.take(word(three(), [at('1', 10, 3, office('LEADER', '1'))]), 20)
  assert.equal(story.votedMs, 0)
  assert.deepEqual(story.take(word(three(), [at('1', 30, 4, office('FOLLOWER', '0'))]), 40),
    ['n1 does not lead any more, in term 4'])
})

test('a vote is counted although its voter is heard before the candidate, and one against it', () => {
  const story = new Story()
  story.take(word(three(), [at('1', 10, 4, answered('VOTE', '3', '1', false)),
    at('2', 11, 4, answered('VOTE', '3', '2', true))]), 20)
  const counted = story.election
  story.take(word(three(), [at('3', 9, 4, asked('VOTE'))]), 30)
  assert.deepEqual(story.election, counted)
  assert.deepEqual(story.election, { term: 4, candidate: '3', kind: 'vote', granted: ['3', '2'],
    refused: ['1'], isWon: false })
  assert.deepEqual(texts(story), ['n2 votes for n3, in term 4', 'n1 does not vote for n3, in term 4',
    'n3 asks for votes in term 4'])
})

test('what is told again, by another node or after a pause, is known', () => {
  const story = new Story()
  const happenings = [at('1', 10, 3, office('LEADER', '1'))]
  story.take(word(three(), happenings), 20)
  assert.deepEqual(story.take(word(three(), happenings), 30), [])
  assert.equal(story.lines.length, 1)
  // The node was started anew, and counts from 1. It does not lead any more, but gave up nothing.
  const again = { ...at('1', 40, 4, office('FOLLOWER', '2')), startedMs: '39', number: '1' }
  assert.deepEqual(story.take(word(three(), [again]), 50), ['n1 was started'])
  assert.deepEqual(texts(story), ['n1 was started', 'n1 leads in term 3'])
})

test('a leader says who does not answer; without one the node asked says whom it hears', () => {
  const story = new Story()
  story.take(word(three()), 0)
  assert.deepEqual(story.take(word(three(), [at('1', 10, 3, { contact: { peerId: '3' } })]), 20),
    ['n3 does not answer the leader n1'])
  const two = [said('1', { isReachable: false }), said('2', { role: 'CANDIDATE' }), said('3')]
  assert.deepEqual(story.take(word(two, [], '0'), 30), ['n1 is not heard any more by n2'])
  assert.deepEqual(story.take(word(three(), [], '0'), 40), ['n1 is heard again by n2'])
})

test('lines are cut where somebody who should hear hears nothing', () => {
  assert.deepEqual(kindsOf(three()), ['1-2 open', '1-3 open', '2-3 quiet'])
  const [leader, second, third] = three() as [WatchedNode, WatchedNode, WatchedNode]
  leader.links = [{ nodeId: '2', isHeard: true }, { nodeId: '3', isHeard: false }]
  assert.deepEqual(kindsOf([leader, second, third]), ['1-2 open', '1-3 cut', '2-3 quiet'])
  // In a minority: who asks for votes and is not answered, by its own word.
  const alone = said('2', { role: 'CANDIDATE', links: [{ nodeId: '1', isHeard: false },
    { nodeId: '3', isHeard: false }] })
  const old = { ageMs: '9000', isReachable: false }
  assert.deepEqual(kindsOf([said('1', { ...old, role: 'LEADER', links: leader.links }), alone,
    said('3', old)]), ['1-2 cut', '1-3 cut', '2-3 cut'])
})

test('what an old word says of connections is not shown as if it were so', () => {
  const links = [{ nodeId: '2', isHeard: true }]
  assert.deepEqual(kindsOf([said('1', { role: 'LEADER', ageMs: '9000', links }), said('2')]),
    ['1-2 quiet'])
})

test('appends are counted from who leads', () => {
  const nodes = [said('1'), said('2', { role: 'LEADER', links: [
    { nodeId: '1', isHeard: true, appendsSent: '5', appendsAcknowledged: '4' }] })]
  const story = new Story()
  story.take(word(nodes, [], '2'), 0)
  assert.deepEqual(linksOf(story.nodes)[0], { key: '1-2', from: '2', to: '1', kind: 'open', sent: 5,
    acknowledged: 4 })
})

test('the verdict counts voters that are there', () => {
  const story = new Story()
  story.take(word([...three(), { ...said('4'), isVoter: false }]), 0)
  assert.equal(verdictOf(story.nodes), '3 of 3 voters here; 1 more may fail')
  story.take(word([said('1', { isReachable: false }), said('2', { isReachable: false }), said('3')]), 1)
  assert.equal(verdictOf(story.nodes), '1 of 3 voters here: no majority, nothing can be saved')
})

test('tapes are of one stretch, which grows in steps so that who is behind is on it', () => {
  const story = new Story()
  story.take(word([said('1', { at: 1_000 }), said('2', { at: 1_000, applied: 990 })]), 0)
  assert.deepEqual(stretchOf(story.nodes), { begin: 960, end: 1_000 })
  const [first, second] = story.nodes
  assert.equal(first && tapeOf(first, { begin: 960, end: 1_000 }).applied, 1)
  assert.equal(second && tapeOf(second, { begin: 960, end: 1_000 }).applied, 0.75)
  assert.equal(second && tapeOf(second, { begin: 960, end: 1_000 }).appended, 1)
  story.take(word([said('1', { at: 1_000 }), said('2', { at: 900 })]), 0)
  assert.deepEqual(stretchOf(story.nodes), { begin: 840, end: 1_000 })
  story.take(word([said('1', { at: 0, ageMs: undefined })]), 0)
  assert.deepEqual(stretchOf(story.nodes), { begin: 0, end: 1 })
})

test('the trail adds up the nodes that are heard, once a second', () => {
  const story = new Story()
  const nodes = () => [said('1', { pace: { updatesPerSecond: 5, commitP99Ms: 3 } }),
    said('2', { pace: { updatesPerSecond: 7 } }),
    said('3', { ageMs: '9000', pace: { updatesPerSecond: 100, commitP99Ms: 99 } })]
  story.take(word(nodes()), 10_000)
  story.take(word(nodes()), 10_200)
  story.take(word(nodes()), 11_000)
  assert.deepEqual(story.points, [{ timeMs: 10_000, updates: 12, commitWorst: 3 },
    { timeMs: 11_000, updates: 12, commitWorst: 3 }])
  assert.deepEqual(story.nodes.map(({ pace }) => pace?.updatesPerSecond), [5, 7, undefined])
})

test('it remembers the newest', () => {
  const story = new Story()
  for (let i = 0; i < 500; ++i) {
    story.take(word(three(), [at('1', i, i, office('LEADER', '1'))]), i)
  }
  assert.equal(story.lines.length, 80)
  assert.equal(story.lines[0]?.timeMs, 499)
})
