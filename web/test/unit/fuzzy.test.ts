import assert from 'node:assert/strict'
import { test } from 'node:test'

import { bestOf, fit } from '../../src/browser/fuzzy'

const names = ['Plan for the year', 'recipes/bread.md', 'Meeting notes', 'bread', 'Airplane']
const best = (query: string) => bestOf(query, names, (name) => name)

test('beginnings come before middles, and middles before single letters', () => {
  assert.deepEqual(best('plan'), ['Plan for the year', 'Airplane'])
  assert.deepEqual(best('bread'), ['bread', 'recipes/bread.md'])
  assert.equal(best('mn')[0], 'Meeting notes')
  assert.equal(best('year plan')[0], 'Plan for the year')
})

test('nothing fits what has not all of its letters, in their order', () => {
  assert.deepEqual(best('zz'), [])
  assert.equal(fit('dab', 'bad'), null)
  assert.equal(fit('plan zz', 'Plan'), null)
})

test('without a query all stay as they are', () => {
  assert.deepEqual(best('  '), names)
})
