// What lies over the writer's page and what one can do from there: the palette, the settings, the
// keys, messages that can be taken back; and formats. Run by `./dev web test`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { pause, until } from '../../tests/providers/cluster.mjs'
import { cluster, setTheStage, writerAt } from './stage.mjs'
import { complaints } from './writer.mjs'

setTheStage()

// Light and dark, and on a phone.
async function everyLook(writer, where) {
  const size = writer.page.viewportSize()
  for (const theme of ['light', 'dark']) {
    await writer.page.evaluate((to) => { document.documentElement.dataset.theme = to }, theme)
    await pause(200) // What appears has appeared.
    await writer.picture(`${where}-${theme}`)
    await writer.assertAccessible(`${where}, ${theme}`)
  }
  await writer.page.setViewportSize({ width: 390, height: 844 })
  await pause(200)
  await writer.picture(`${where}-phone`)
  await writer.assertAccessible(`${where}, on a phone`)
  const width = await writer.page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(width <= 390, `${where} is ${width} wide`)
  await writer.page.setViewportSize(size)
}
const focused = (writer) => writer.page.evaluate(() => {
  const outer = document.activeElement
  return (outer.shadowRoot?.activeElement ?? outer).className
})

test('the palette opens documents, makes them, and does what can be done', async () => {
  const mia = await writerAt(0, 'mia')
  const token = await cluster.login('mia')
  await cluster.call('DocumentService/CreateDocument', { name: 'palette one' }, { token })
  await mia.create('palette two')
  await mia.content.focus()
  await mia.page.keyboard.press('Control+k')
  const input = mia.page.getByRole('combobox', { name: 'Documents and commands' })
  await input.fill('pal one')
  await mia.page.getByRole('option', { name: /^palette one/, selected: true }).waitFor()
  await everyLook(mia, 'palette')
  await mia.page.keyboard.press('Enter')
  await mia.page.getByRole('heading', { name: 'palette one' }).waitFor()
  await mia.untilStatus(/Saved/)

  await mia.page.keyboard.press('Control+k')
  await input.fill('hist')
  await mia.page.keyboard.press('Enter')
  await mia.page.getByRole('region', { name: 'History' }).waitFor()
  await mia.page.keyboard.press('Escape')
  await mia.page.getByRole('region', { name: 'History' }).waitFor({ state: 'detached' })
  assert.match(await focused(mia), /cm-content/, 'one goes on writing')

  await mia.page.keyboard.press('Control+k')
  await input.fill('palette three')
  await mia.page.getByRole('option', { name: 'New document “palette three”' }).waitFor()
  await mia.page.keyboard.press('ArrowUp') // The last one, from the first.
  await mia.page.keyboard.press('Enter')
  await mia.page.getByRole('heading', { name: 'palette three' }).waitFor()
  await mia.untilStatus(/Saved/)

  await mia.page.keyboard.press('Control+k')
  await input.waitFor()
  await mia.page.keyboard.press('Escape')
  await mia.page.getByRole('dialog').waitFor({ state: 'detached' })
  assert.match(await focused(mia), /cm-content/)
  await mia.page.keyboard.press('Control+k')
  await input.fill('nothing of that kind')
  await mia.page.getByRole('option', { name: /^New document/ }).waitFor()
  await mia.close()
})

test('the settings hold at once, in all tabs, and after a reload', async () => {
  const mia = await writerAt(0, 'mia')
  const tom = await writerAt(1, 'tom')
  await mia.create('set')
  await tom.open('set')
  await mia.type('in my size')
  const other = await mia.context.newPage()
  await other.goto(mia.page.url())
  await other.locator('.cm-content').waitFor()
  await mia.page.getByRole('button', { name: 'Settings' }).click()
  await mia.page.getByLabel('Size of the text').selectOption('22')
  await mia.page.getByLabel('Typeface of the text').selectOption('sans')
  await mia.page.getByLabel('Check spelling while typing').uncheck()
  await mia.page.getByLabel('magenta').check({ force: true })
  await mia.page.getByText(/Copies of \d+ documents|A copy of 1 document/).waitFor()
  await everyLook(mia, 'settings')
  const looks = (page) => page.locator('.cm-content').evaluate((element) => ({
    size: globalThis.getComputedStyle(element).fontSize,
    face: globalThis.getComputedStyle(element).fontFamily.includes('system-ui'),
    spellcheck: element.getAttribute('spellcheck'),
  }))
  const wanted = { size: '22px', face: true, spellcheck: 'false' }
  for (const page of [mia.page, other]) {
    await until('it looks so', async () =>
      JSON.stringify(await looks(page)) === JSON.stringify(wanted))
  }
  await mia.page.keyboard.press('Escape')
  await mia.content.focus()
  await tom.page.locator('.peer-caret.peer-9').first().waitFor({ state: 'attached' })
  await tom.page.locator('.avatar.color-9').waitFor()
  await mia.page.reload()
  await mia.untilStatus(/Saved/)
  assert.deepEqual(await looks(mia.page), wanted)
  await mia.close()
  await tom.close()
})

test('keys do what they say, and nothing else', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('keys')
  await mia.type('text')
  await mia.page.keyboard.press('Control+/')
  const sheet = mia.page.getByRole('region', { name: 'Keys' })
  await sheet.waitFor()
  for (const what of ['Bold', 'Preview', 'Find and replace', 'Settings']) {
    await sheet.getByText(what, { exact: true }).waitFor()
  }
  await mia.page.keyboard.press('Control+/')
  await sheet.waitFor({ state: 'detached' })
  assert.equal(await mia.text(), 'text', 'no comment was made of it')
  await mia.page.keyboard.press('Control+s')
  await mia.page.locator('.toast', { hasText: /^Saved (on a majority|· [23]\/3 nodes)/ }).waitFor()
  await mia.picture('toast')
  await mia.page.getByRole('link', { name: 'Documents' }).click()
  await mia.page.getByRole('heading', { name: 'Documents' }).waitFor()
  await mia.page.keyboard.press('?')
  await sheet.getByText('New document').waitFor()
  await mia.close()
})

test('formats come by keys and buttons, lists go on by themselves', async () => {
  const mia = await writerAt(0, 'mia')
  const tom = await writerAt(1, 'tom', { viewport: { width: 390, height: 844 }, hasTouch: true })
  await mia.create('formats')
  await mia.type('- one')
  await mia.page.keyboard.press('Enter')
  await mia.page.keyboard.type('two ')
  await mia.page.keyboard.press('Control+b')
  await mia.page.keyboard.type('bold')
  await mia.untilText('- one\n- two **bold**')

  await tom.open('formats')
  await tom.page.locator('.cm-line').last().tap()
  await tom.page.getByRole('button', { name: 'Quotation' }).tap()
  await tom.untilText('> ')
  assert.match(await focused(tom), /cm-content/, 'the keyboard stays')
  await tom.page.getByRole('button', { name: 'Undo' }).tap()
  await until('it is undone', async () => !(await tom.text()).includes('>'))
  await tom.picture('formats-phone')
  await mia.close()
  await tom.close()
})

test('a deletion can be taken back for some seconds, and happens when the page is left', async () => {
  const mia = await writerAt(0, 'mia')
  const token = await cluster.login('mia')
  for (const name of ['spared', 'deleted', 'deleted at once']) {
    await cluster.call('DocumentService/CreateDocument', { name }, { token })
  }
  const exists = (name) => cluster.call('DocumentService/GetDocument', { document: { name } },
    { token }).then(() => true, () => false)
  const remove = async (name) => {
    await mia.page.getByRole('button', { name: `Delete ${name}`, exact: true }).click()
    await mia.page.getByRole('button', { name: 'Delete', exact: true }).click()
    await mia.page.getByRole('link', { name, exact: true }).waitFor({ state: 'detached' })
  }
  await remove('spared')
  await mia.page.getByRole('button', { name: 'Undo' }).click()
  await mia.page.getByRole('link', { name: 'spared' }).waitFor()
  await remove('deleted')
  assert.ok(await exists('deleted'))
  await everyLook(mia, 'undo')
  await until('it is gone', async () => !(await exists('deleted')), 20_000)
  await remove('deleted at once')
  await mia.page.reload()
  await until('it is gone', async () => !(await exists('deleted at once')), 3_000)
  assert.ok(await exists('spared'))
  await mia.close()
})

test('a document that nobody made can be made from its address', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.page.evaluate(() => { location.hash = '#/d/from%20a%20link' })
  await mia.page.getByRole('button', { name: 'Create it' }).click()
  await mia.untilStatus(/Saved/)
  await mia.type('made')
  await mia.untilStatus(/Saved/)
  await mia.close()
})

test('the policy refused nothing, nothing failed, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
