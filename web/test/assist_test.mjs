// Suggestions and the AI panel in real Chromium windows, with real nodes and a real coterie-llm
// whose model always tells the same story; run by `./dev web test`.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { until } from '../../tests/providers/cluster.mjs'
import { hasModels, Model } from './model.mjs'
import { closeBrowser, complaints, openBrowser, startCluster, Writer } from './writer.mjs'

const story = 'The quick brown fox jumps over one lazy dog near café 😀.'
// Two mistakes, and each alone.
const both = 'The quick brown fox jump over one lazy dog neer café 😀.'
const jump = 'The quick brown fox jump over one lazy dog near café 😀.'
const neer = 'The quick brown fox jumps over one lazy dog neer café 😀.'

const options = { skip: hasModels ? false : 'there is no llama.cpp here (scripts/llama.sh)' }
let model
let cluster

before(async () => {
  await openBrowser()
  if (!hasModels) return
  model = await Model.start()
  cluster = await startCluster({ flags: ['--llm', model.address] })
})
after(async () => {
  await closeBrowser()
  await cluster?.stop()
  await model?.stop()
})

async function pair(document, text) {
  const mia = await Writer.at(cluster.url(0, 'http'), 'mia')
  const tom = await Writer.at(cluster.url(1, 'http'), 'tom')
  await mia.create(document)
  await mia.insert(text)
  await mia.untilStatus(/Saved/)
  await tom.open(document)
  await tom.untilText(text.split('\n')[0])
  return { mia, tom, close: () => Promise.all([mia.close(), tom.close()]) }
}

const panel = (writer) => writer.page.locator('section.side')
const openPanel = async (writer) => {
  await writer.page.getByRole('button', { name: /^AI/ }).click()
  await panel(writer).waitFor()
}
const press = (writer, name) => panel(writer).getByRole('button', { name, exact: true }).click()
const count = (writer, selector, expected) => until(`${writer.name} has ${expected} ${selector}`,
  async () => await writer.page.locator(selector).count() === expected)

test('suggestions are differences in the text, for everybody, and decided on one by one', options,
  async () => {
    const { mia, tom, close } = await pair('two.md', both)
    await openPanel(mia)
    await press(mia, 'Fix grammar')
    await panel(mia).getByText('2 suggestions in the text.').waitFor()
    for (const writer of [mia, tom]) {
      await count(writer, '.suggestion-del', 2)
      await count(writer, '.suggestion-ins', 2)
    }
    assert.deepEqual(await tom.page.locator('.suggestion-del').allTextContents(), ['jump', 'neer'])
    assert.deepEqual(await tom.page.locator('.suggestion-ins').allTextContents(), ['jumps', 'near'])
    assert.equal(await tom.text(), both) // Nothing is written yet.
    await mia.picture('suggestions')
    await mia.assertAccessible('suggestions')

    // Tom sees whose it is, and accepts the first one in the text.
    await tom.page.locator('.suggestion-ins').first().click()
    const card = tom.page.locator('.suggestion-card')
    await card.getByText('AI for mia').waitFor()
    await tom.picture('suggestion-card')
    await tom.assertAccessible('the card of a suggestion')
    await card.getByRole('button', { name: 'Accept' }).click()
    await mia.untilText(neer)
    await tom.untilText(neer)
    await count(mia, '.suggestion-del', 1)

    // Mia rejects the other in the list.
    await panel(mia).getByRole('button', { name: /^Reject: replace “neer”/ }).click()
    await count(tom, '.suggestion-del', 0)
    await panel(mia).getByText('No suggestions').waitFor()
    assert.equal(await mia.text(), neer)
    await close()
  })

test('accepting is undone and done again like one\'s own edit, and nobody else\'s is touched',
  options, async () => {
    const { mia, tom, close } = await pair('undo.md', both)
    await openPanel(mia)
    await press(mia, 'Fix grammar')
    await count(mia, '.suggestion-del', 2)
    await press(mia, 'Accept all')
    await mia.untilText(story)
    await tom.type(' Tom was here.')
    await mia.untilText('Tom was here.')
    await mia.content.focus()
    await mia.page.keyboard.press('Control+z')
    await tom.untilText(`${both} Tom was here.`)
    await mia.page.keyboard.press('Control+y')
    await tom.untilText(`${story} Tom was here.`)
    await mia.untilStatus(/Saved/)
    await close()
  })

test('with the keyboard alone: to the next one, accept, reject', options, async () => {
  const { mia, close } = await pair('keys.md', both)
  await mia.page.keyboard.press('Control+j')
  await press(mia, 'Fix grammar')
  await count(mia, '.suggestion-del', 2)
  await mia.content.focus()
  await mia.page.keyboard.press('Control+Home')
  await mia.page.keyboard.press('F8')
  await mia.page.locator('.suggestion-card').waitFor()
  await mia.page.keyboard.press('F8')
  await mia.page.keyboard.press('Shift+F8')
  await mia.page.keyboard.press('Control+Enter')
  await mia.untilText(neer)
  await count(mia, '.suggestion-del', 1)
  await mia.page.keyboard.press('Tab') // From the text to the card of the next one.
  assert.equal(await mia.page.evaluate(() =>
    document.querySelector('.surface').shadowRoot.activeElement?.textContent), 'Accept')
  await mia.content.focus()
  await mia.page.keyboard.press('Control+Shift+Enter')
  await count(mia, '.suggestion-del', 0)
  assert.equal(await mia.text(), neer)
  await close()
})

test('one goes from card to card: Enter accepts, Backspace rejects, and the text keeps its own',
  options, async () => {
    const { mia, close } = await pair('cards.md', both)
    await openPanel(mia)
    await press(mia, 'Fix grammar')
    await count(mia, '.suggestion-del', 2)
    await mia.content.focus()
    await mia.page.keyboard.press('Control+Home')
    await mia.page.keyboard.press('F8')
    await mia.page.keyboard.press('Tab')
    const focused = () => mia.page.evaluate(() => {
      const inside = document.querySelector('.surface').shadowRoot.activeElement
      return `${inside?.closest('.suggestion-card') ? 'card' : ''} ${inside?.textContent}`
    })
    assert.equal(await focused(), 'card Accept')
    await mia.page.keyboard.press('Backspace') // The first one.
    await count(mia, '.suggestion-del', 1)
    assert.equal(await mia.text(), both)
    await until('the card of the next one', async () => await focused() === 'card Accept')
    await mia.page.keyboard.press('Enter')
    await mia.untilText(jump)
    await count(mia, '.suggestion-del', 0)
    // The focus is in the text again, where Backspace is for letters.
    await mia.page.keyboard.press('Control+End')
    await mia.page.keyboard.press('Backspace')
    await mia.untilText(jump.slice(0, -1))
    await close()
  })

test('one goes through the list with arrows, Enter and Backspace', options, async () => {
  const { mia, close } = await pair('list.md', both)
  await openPanel(mia)
  await press(mia, 'Fix grammar')
  await count(mia, '.suggestion-del', 2)
  const first = panel(mia).getByRole('button', { name: /^Accept: replace “jump”/ })
  const second = panel(mia).getByRole('button', { name: /^Accept: replace “neer”/ })
  await first.focus()
  const isFocused = (locator) => locator.evaluate((each) => each === document.activeElement)
  await mia.page.keyboard.press('ArrowDown')
  assert.ok(await isFocused(second))
  await mia.page.keyboard.press('ArrowUp')
  await mia.page.keyboard.press('Backspace')
  await count(mia, '.suggestion-del', 1)
  assert.ok(await isFocused(second))
  await mia.page.keyboard.press('Enter')
  await mia.untilText(jump)
  await close()
})

test('what was accepted is in the history with whose help, and an instruction is one\'s own',
  options, async () => {
    const { mia, tom, close } = await pair('helped.md', jump)
    await openPanel(mia)
    await panel(mia).getByLabel('How it should sound').selectOption('as I say…')
    await panel(mia).getByLabel('What is to become of it').fill('as a story')
    await mia.picture('instruction')
    await mia.assertAccessible('an instruction')
    await press(mia, 'Make it')
    await panel(mia).getByText('1 suggestion in the text.').waitFor()
    await panel(mia).getByText('AI for mia · as a story').waitFor()
    await press(mia, 'Accept all')
    await tom.untilText(story)
    await tom.page.getByRole('button', { name: 'History' }).click()
    await tom.page.locator('.version', { hasText: 'mia with AI' }).waitFor()
    await tom.picture('history-helped')
    await close()
  })

test('what others change is recognised: moved along, or called stale', options, async () => {
  const { mia, tom, close } = await pair('moving.md', both)
  await openPanel(mia)
  await press(mia, 'Fix grammar')
  await count(tom, '.suggestion-del', 2)
  await tom.content.focus()
  await tom.page.keyboard.press('Control+Home')
  await tom.page.keyboard.type('Look! ')
  await mia.untilText('Look! The quick')
  await until('it has moved', async () =>
    (await mia.page.locator('.suggestion-del').first().textContent()) === 'jump')
  // Into the letters of the first one.
  for (let i = 0; i < 'The quick brown fox ju'.length; ++i) {
    await tom.page.keyboard.press('ArrowRight')
  }
  await tom.page.keyboard.type('-')
  await count(mia, '.suggestion-del', 1)
  await panel(mia).getByText('no longer fits the text').waitFor()
  await mia.picture('suggestion-stale')
  await press(mia, 'Accept all')
  await mia.untilText('near café 😀.')
  await panel(mia).getByText('No suggestions').waitFor()
  assert.equal(await tom.text(), `Look! ${jump.replace('jump', 'ju-mp')}`)
  await close()
})

test('a viewer sees suggestions and decides nothing; the model answers who may read', options,
  async () => {
    const { mia, tom, close } = await pair('read.md', jump)
    await openPanel(mia)
    await press(mia, 'Fix grammar')
    await count(tom, '.suggestion-del', 1)
    const token = await cluster.login('mia')
    await cluster.call('DocumentService/ShareDocument',
      { document: { name: 'read.md' }, grant: { role: 'ROLE_VIEWER' } }, { token })
    await tom.untilStatus(/Read-only/)
    await openPanel(tom)
    assert.equal(await panel(tom).getByRole('button', { name: /^Accept/ }).count(), 0)
    assert.ok(await panel(tom).getByRole('button', { name: 'Fix grammar' }).isDisabled())
    await press(tom, 'Summarize')
    await panel(tom).locator('.answer-text', { hasText: story }).waitFor()
    await panel(tom).getByLabel('A question about the document').fill('Who jumps?')
    await press(tom, 'Ask')
    await panel(tom).locator('.answer-text', { hasText: story }).waitFor()
    await tom.assertAccessible('an answer')
    await close()
  })

test('a continuation is one suggestion at the end, and an answer can be inserted', options,
  async () => {
    const { mia, tom, close } = await pair('more.md', 'Once upon a time.')
    await openPanel(mia)
    await press(mia, 'Continue')
    await panel(mia).getByText('1 suggestion in the text.').waitFor()
    await count(tom, '.suggestion-ins', 1)
    await mia.page.evaluate(() => { document.documentElement.dataset.theme = 'dark' })
    await mia.picture('panel-dark')
    await mia.assertAccessible('the panel, dark')
    await press(mia, 'Accept all')
    await tom.untilText(`Once upon a time.${story}`)
    await press(mia, 'Summarize')
    await panel(mia).locator('.answer-text').waitFor()
    await mia.content.focus()
    await mia.page.keyboard.press('Control+Home')
    await press(mia, 'Insert at the caret')
    await tom.untilText(`${story}Once upon a time.`)
    await close()
  })

test('the panel fits on a phone', options, async () => {
  const mia = await Writer.at(cluster.url(0, 'http'), 'mia',
    { viewport: { width: 390, height: 844 }, hasTouch: true })
  await mia.create('phone.md')
  await mia.insert(jump)
  await mia.untilStatus(/Saved/)
  await openPanel(mia)
  await press(mia, 'Fix grammar')
  await count(mia, '.suggestion-del', 1)
  assert.ok(await mia.page.evaluate(() => document.documentElement.scrollWidth) <= 390)
  await mia.picture('panel-phone')
  await mia.close()
})

test('an answer that takes too long is stopped, and the next one is asked for', options,
  async () => {
    const mia = await Writer.at(cluster.url(0, 'http'), 'mia')
    await mia.create('long')
    await openPanel(mia)
    model.process.kill('SIGSTOP')
    await panel(mia).getByLabel('A question about the document').fill('Who?')
    await press(mia, 'Ask')
    await panel(mia).getByText('Thinking…').waitFor()
    await mia.picture('panel-thinking')
    await press(mia, 'Stop')
    await panel(mia).getByText('Stopped.').waitFor()
    model.process.kill('SIGCONT')
    await press(mia, 'Ask')
    await panel(mia).locator('.answer-text', { hasText: story }).waitFor()
    assert.equal(await panel(mia).getByText('Stopped.').count(), 0)
    await mia.close()
  })

test('what one answer could not read is read by the next', async () => {
  const other = await startCluster()
  try {
    const mia = await Writer.at(other.url(0, 'http'), 'mia')
    await mia.create('many mistakes')
    await mia.insert('I hold teh cat.\n'.repeat(250)) // An answer may have 200 suggestions.
    await mia.untilStatus(/Saved/)
    await openPanel(mia)
    await press(mia, 'Fix grammar')
    await panel(mia).getByText('200 suggestions in the text. The rest of the text is not read yet.')
      .waitFor({ timeout: 60_000 })
    await mia.picture('not-read-yet')
    await mia.assertAccessible('an answer that ended early')
    await mia.page.locator('.cm-content').focus()
    await mia.page.keyboard.press('Control+Home')
    await mia.page.keyboard.type('Before it. ')
    await mia.untilStatus(/Saved/)
    await press(mia, 'Go on from there')
    await panel(mia).getByText('50 suggestions in the text.').waitFor({ timeout: 60_000 })
    assert.equal(await panel(mia).getByRole('button', { name: 'Go on from there' }).count(), 0)
    await panel(mia).getByRole('heading', { name: '250 suggestions' }).waitFor()
    await mia.close()
  } finally {
    await other.stop()
  }
})

test('without a model the built-in assistant says so, and what takes one, what to do', async () => {
  const other = await startCluster()
  try {
    const mia = await Writer.at(other.url(0, 'http'), 'mia')
    await mia.create('none')
    await mia.type('Some words. ')
    await mia.untilStatus(/Saved/)
    await openPanel(mia)
    await press(mia, 'Summarize')
    await panel(mia).getByText(/built-in, no language model/).waitFor()
    await panel(mia).locator('input[name=question]').fill('What is it about?')
    await press(mia, 'Ask')
    await panel(mia).getByText(/--llm HOST:PORT/).waitFor()
    await panel(mia).getByText(/tinyllama/).waitFor()
    await mia.picture('no-model')
    await mia.assertAccessible('no model')
    await mia.type('still here')
    await mia.untilStatus(/Saved/)
    await mia.close()
  } finally {
    await other.stop()
  }
})

test('the policy refused nothing, nothing failed, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
