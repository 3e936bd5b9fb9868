import './browser'

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { allColors } from '../../src/document/colors'

// The tests run from a folder beside the page's packages.
const style = readFileSync(new URL('../../src/style.css', import.meta.url), 'utf8')

// WCAG 2.2: relative luminance, and contrast.
function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
function contrast(one: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (lighter + 0.05) / (darker + 0.05)
}

test('black and white are as far from each other as can be', () => {
  assert.equal(contrast('#000000', '#ffffff'), 21)
})

test('every caret is seen on the page in both themes, and the name on it can be read', () => {
  // One of the light theme, and one of the dark for each way to come to it.
  const backs = [...style.matchAll(/--back: (#[0-9a-f]{6});/g)].map(([, color = '']) => color)
  assert.equal(backs.length, 3)
  for (const color of allColors()) {
    for (const back of backs) {
      assert.ok(contrast(color, back) >= 3, `${color} on ${back}: ${contrast(color, back)}`)
    }
    assert.ok(contrast(color, '#ffffff') >= 4.5, `white on ${color}`)
  }
})

test('the twelve are those of the style sheet, and no two are one', () => {
  const colors = allColors()
  assert.equal(new Set(colors).size, 12)
  colors.forEach((color, index) => {
    assert.ok(style.includes(`.color-${index} { background: ${color}; }`), color)
  })
})
