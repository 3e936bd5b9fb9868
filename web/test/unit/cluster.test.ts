import './browser'

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { labelOf, parseFigures, quantile, rate, total } from '../../src/figures'
import { leaderlessSince, type Seen, whatHappened } from '../../src/happenings'
import { extend, milliseconds, paceOf } from '../../src/looks'

const page = (updates: number, fast: number, slow: number): string => [
  '# HELP coterie_node_info 1; which node.', '# TYPE coterie_node_info gauge',
  'coterie_node_info{node="2",cluster="7"} 1',
  `coterie_gateway_updates_total ${updates}`,
  `coterie_gateway_commit_seconds_bucket{le="0.001"} ${fast}`,
  `coterie_gateway_commit_seconds_bucket{le="0.002"} ${fast + slow}`,
  `coterie_gateway_commit_seconds_bucket{le="+Inf"} ${fast + slow}`,
  `coterie_gateway_commit_seconds_count ${fast + slow}`,
  `coterie_rpc_seconds_bucket{method="A.B",le="+Inf"} 3`,
  `coterie_rpc_seconds_count{method="A.B"} 3`, `coterie_rpc_seconds_count{method="A.C"} 4`, '',
].join('\n')

test('a page of metrics is read with its labels', () => {
  const figures = parseFigures(page(10, 1, 0))
  assert.equal(labelOf(figures, 'coterie_node_info', 'node'), '2')
  assert.equal(total(figures, 'coterie_gateway_updates_total'), 10)
  assert.equal(total(figures, 'coterie_rpc_seconds_count'), 7)
  assert.equal(total(figures, 'coterie_rpc_seconds'), 0) // A part of a name is another name.
})

test('a quantile is of what happened between the looks alone', () => {
  const before = parseFigures(page(0, 1_000, 0))
  assert.equal(quantile(before, before, 'coterie_gateway_commit_seconds', 0.5), null)
  const half = quantile(before, parseFigures(page(0, 1_000, 10)), 'coterie_gateway_commit_seconds',
    0.5)
  assert.ok(half !== null && Math.abs(half - 0.0015) < 1e-9)
  const all = quantile(before, parseFigures(page(0, 1_010, 0)), 'coterie_gateway_commit_seconds', 1)
  assert.ok(all !== null && Math.abs(all - 0.001) < 1e-9)
})

test('a rate never falls below nothing, also when a node began anew', () => {
  const many = parseFigures(page(100, 0, 0))
  const few = parseFigures(page(5, 0, 0))
  assert.equal(rate(few, many, 'coterie_gateway_updates_total', 500), 190)
  assert.equal(rate(many, few, 'coterie_gateway_updates_total', 500), 0)
  assert.equal(rate(few, many, 'coterie_gateway_updates_total', 0), 0)
})

test('the trail adds up the nodes that are there', () => {
  const before = { timeMs: 0, byNode: new Map([['2', parseFigures(page(0, 0, 0))]]) }
  const now = { timeMs: 1_000, byNode: new Map([['2', parseFigures(page(8, 4, 0))]]) }
  assert.equal(paceOf(before, now, '3'), null)
  const [point] = extend([], before, now)
  assert.equal(point?.updates, 8)
  assert.ok(point.commitWorst !== null && point.commitWorst <= 0.001)
  assert.equal(milliseconds(point.commitWorst), '1.0 ms')
  assert.equal(milliseconds(null), '–')
})

const seen = (timeMs: number, leader: string, term: number, down = ''): Seen =>
  ({ timeMs, commit: 0, leader, term, down })

test('an election is told with the time that there was no leader', () => {
  const looks = [seen(0, '1', 4), seen(500, '1', 4, 'n1'), seen(1_000, '0', 4, 'n1'),
    seen(1_500, '0', 5, 'n1')]
  assert.equal(leaderlessSince(looks), 1_000)
  assert.deepEqual(whatHappened(looks, seen(1_700, '3', 5, 'n1')),
    ['n3 leads in term 5, after 0.7 s without'])
  assert.deepEqual(whatHappened([seen(0, '1', 4)], seen(500, '0', 4)), ['no leader in term 4'])
  assert.deepEqual(whatHappened([seen(0, '1', 4, 'n2')], seen(500, '1', 4)), ['all are reachable'])
  assert.deepEqual(whatHappened([], seen(0, '1', 4)), [])
})
