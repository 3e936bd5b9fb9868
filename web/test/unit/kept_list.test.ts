import { storage } from './browser'

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'

import { keepId } from '../../src/offline/kept_ids'
import { addToList, forgetList, keepList, keptList } from '../../src/offline/kept_list'

const names = (user = 'mia') => keptList(user).map(({ name }) => name)

beforeEach(() => storage.clear())

test('what can be opened without a node is what was open here', () => {
  keepList('mia', [{ id: '1', name: 'one' }, { id: '2', name: 'two' }])
  assert.deepEqual(names(), [])
  keepId('two', '2@5')
  assert.deepEqual(names(), ['two'])
  addToList('mia', '3', 'three') // Made just now, and not listed yet.
  keepId('three', '3@6')
  assert.deepEqual(names(), ['three', 'two'])
  addToList('mia', '3', 'renamed')
  keepId('three', null)
  keepId('renamed', '3@6')
  assert.deepEqual(names(), ['renamed', 'two'])
})

test("one's list is nobody else's, and goes with the session", () => {
  keepList('mia', [{ id: '1', name: 'one' }])
  keepId('one', '1@5')
  assert.deepEqual(names('tom'), [])
  forgetList('mia')
  assert.deepEqual(names(), [])
})

test('a list that nobody can read is none', () => {
  storage.setItem('coterie.list:mia', '{"a": 1}')
  assert.deepEqual(names(), [])
  storage.setItem('coterie.list:mia', 'x')
  assert.deepEqual(names(), [])
})
