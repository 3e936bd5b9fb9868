import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isPressed, keyLabel, type Press } from '../../src/browser/keys'

const press = (key: string, some: Partial<Press> & { state?: string } = {}): Press => ({
  key, code: '', ctrlKey: false, metaKey: false, altKey: false, shiftKey: false,
  getModifierState: (name) => name === some.state, ...some,
})
const ctrl = { ctrlKey: true }

test('Mod is Ctrl or Command, and works while one types', () => {
  assert.ok(isPressed('Mod-k', press('k', ctrl), true))
  assert.ok(isPressed('Mod-k', press('k', { metaKey: true }), true))
  assert.ok(!isPressed('Mod-k', press('k'), false))
  assert.ok(!isPressed('Mod-k', press('k', { ...ctrl, shiftKey: true }), true), 'that is another')
  assert.ok(!isPressed('Mod-k', press('k', { ...ctrl, altKey: true }), true))
  assert.ok(isPressed('Mod-k', press('K', ctrl), true), 'with Caps Lock')
})

test('AltGr writes letters', () => { // It looks like Ctrl and Alt on Windows.
  const polish = press('ł', { ...ctrl, altKey: true, code: 'KeyL', state: 'AltGraph' })
  assert.ok(!isPressed('Mod-Alt-l', polish, true))
  assert.ok(isPressed('Mod-Alt-l', press('l', { ...ctrl, altKey: true, code: 'KeyL' }), true))
})

test('a key is the one with that sign, or in its place where there is no such sign', () => {
  assert.ok(!isPressed('n', press('b', { code: 'KeyN' }), false), 'Dvorak')
  assert.ok(isPressed('Mod-j', press('о', { ...ctrl, code: 'KeyJ' }), true), 'Russian')
  assert.ok(isPressed('Mod-Alt-p', press('π', { metaKey: true, altKey: true, code: 'KeyP' }), true))
  assert.ok(isPressed('?', press('?', { shiftKey: true }), false))
  assert.ok(isPressed('Mod-/', press('/', { ...ctrl, shiftKey: true }), true), 'German')
})

test('letters alone are commands where nobody types', () => {
  assert.ok(isPressed('n', press('n'), false))
  assert.ok(!isPressed('n', press('n'), true))
  assert.ok(!isPressed('?', press('?', { shiftKey: true }), true))
  assert.ok(isPressed('Escape', press('Escape'), true))
})

test('keys are shown as they are written on the keyboard', () => {
  assert.equal(keyLabel('Mod-Alt-p', false), 'Ctrl Alt P')
  assert.equal(keyLabel('Mod-Alt-p', true), '⌘⌥P')
  assert.equal(keyLabel('Escape', false), 'Esc')
  assert.equal(keyLabel('Shift-F8', false), 'Shift F8')
})
