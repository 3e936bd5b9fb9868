import assert from 'node:assert/strict'
import { test } from 'node:test'

import { authorOf, merge, sittings } from '../../src/document/versions'

const version = (revision: number, author: string, minutes: number) =>
  ({ revision: String(revision), author, timeMs: String(60_000 * minutes) })

test('pages of versions are one list, newest first, by number and not by letters', () => {
  const newest = [version(10, 'ana', 9), version(9, 'ana', 8)]
  const older = [version(9, 'ana', 8), version(8, 'tom', 7)]
  assert.deepEqual(merge(older, newest).map(({ revision }) => revision), ['10', '9', '8'])
  const large = version(2, 'ana', 1)
  large.revision = '9007199254740993'
  const larger = { ...large, revision: '9007199254740994' }
  assert.deepEqual(merge([large], [larger]).map(({ revision }) => revision),
    ['9007199254740994', '9007199254740993'])
})

test('one line is one author who went on without a break', () => {
  const lines = sittings([version(9, 'ana', 9.9), version(8, 'ana', 9), version(7, 'ana', 7),
    version(6, 'tom', 6.9), version(5, 'ana', 6.8)])
  assert.deepEqual(lines.map(({ revision }) => revision), ['9', '7', '6', '5'])
})

test('who writes together has one line, whoever of them made a version', () => {
  const together = (revision: number, minutes: number) =>
    ({ ...version(revision, 'ana, tom', minutes), authors: ['ana', 'tom'] })
  const lines = sittings([version(9, 'tom', 9.9), together(8, 9.8), version(7, 'ana', 9.7),
    version(6, 'eve', 9.6), together(5, 9.5)])
  assert.deepEqual(lines.map(({ revision, author }) => [revision, author]),
    [['9', 'tom, ana'], ['6', 'eve'], ['5', 'ana, tom']])
})

test('what was accepted is one line of its own, with whose help', () => {
  const helped = { ...version(8, 'ana', 9.8), assistant: 'AI for ana' }
  const lines = sittings([version(9, 'ana', 9.9), helped, { ...helped, revision: '7' },
    version(6, 'ana', 9.7)])
  assert.deepEqual(lines.map((line) => [line.revision, authorOf(line)]),
    [['9', 'ana'], ['8', 'ana with AI'], ['6', 'ana']])
  assert.equal(authorOf({ ...helped, author: 'tom' }), 'tom with AI for ana')
})
