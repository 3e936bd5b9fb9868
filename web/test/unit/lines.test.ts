import assert from 'node:assert/strict'
import { test } from 'node:test'

import { compareLines } from '../../src/text/lines'
import { wordChanges } from '../../src/text/word_changes'

const shown = (before: string, after: string): string => compareLines(before, after)
  .map(({ kind, text }) => `${kind === 'same' ? ' ' : kind === 'added' ? '+' : '-'}${text}`)
  .join('|')

test('lines that went and came stand between those that stayed', () => {
  assert.equal(shown('a\nb\nc', 'a\nc'), ' a|-b| c')
  assert.equal(shown('a\nc', 'a\nb\nc'), ' a|+b| c')
  assert.equal(shown('a\nb\nc\nd', 'a\nc\nx\nd'), ' a|-b| c|+x| d')
  assert.equal(shown('', ''), ' ')
})

test('texts too long to be compared count as changed between their equal ends', () => {
  const long = (letter: string) => Array.from({ length: 2_100 }, (_, i) => `${letter}${i}`)
  const parts = compareLines(['=', ...long('a'), '='].join('\n'), ['=', ...long('b'), '='].join('\n'))
  assert.equal(parts.length, 2 + 4_200)
  assert.equal(parts.filter(({ kind }) => kind === 'same').length, 2)
})

function apply(before: string, after: string): string {
  let result = ''
  let at = 0
  for (const { begin, end, inserted } of wordChanges(before, after)) {
    assert.ok(begin >= at, 'in order')
    result += before.slice(at, begin) + inserted
    at = end
  }
  return result + before.slice(at)
}

test('the changes of words make the one of the other', () => {
  const letters = ['a', 'bb', ' ', '\n', '😀', 'é', '.', "it's", '  ']
  let seed = 7
  const draw = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  const text = () => Array.from({ length: draw(14) }, () => letters[draw(letters.length)]).join('')
  for (let round = 0; round < 2_000; ++round) {
    const before = text()
    const after = text()
    assert.equal(apply(before, after), after, JSON.stringify([before, after]))
  }
})

test('a change is whole words, and neighbours are one', () => {
  assert.deepEqual(wordChanges('the fox jump over', 'the fox jumps over'),
    [{ begin: 8, end: 12, inserted: 'jumps' }])
  assert.deepEqual(wordChanges('he go too home', 'he goes to home'),
    [{ begin: 3, end: 9, inserted: 'goes to' }])
  assert.deepEqual(wordChanges('', 'all new'), [{ begin: 0, end: 0, inserted: 'all new' }])
  assert.deepEqual(wordChanges('same', 'same'), [])
})
