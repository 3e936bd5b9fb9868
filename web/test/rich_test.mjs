// Documents that a rich editor writes, here as Tiptap keeps them, through the stock Hocuspocus
// provider: the page reads them, live, and writes nothing where nobody would see it; run by
// `./dev web test`.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'

import { closeAll, open, Y } from '../../tests/providers/clients.mjs'
import { until } from '../../tests/providers/cluster.mjs'
import { cluster, setTheStage, writerAt } from './stage.mjs'
import { complaints } from './writer.mjs'

setTheStage()
after(() => {
  closeAll()
  // Some of the providers' timers go on for ever.
  setTimeout(() => process.exit(process.exitCode ?? 0), 200).unref()
})

// Somebody with a rich editor on that node.
async function editorAt(index, user, document) {
  const token = await cluster.login(user)
  const client = open('hocuspocus 3', cluster.url(index), document, { token })
  await client.synced(20_000)
  const root = client.doc.getXmlFragment('default')
  const append = (tag, words, attributes = {}) => client.doc.transact(() => {
    const element = new Y.XmlElement(tag)
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
    const letters = new Y.XmlText()
    element.insert(0, [letters])
    root.push([element])
    letters.insert(0, words)
    return letters
  })
  return { client, root, append }
}
const read = (writer) => writer.page.getByRole('region', { name: 'Text of the document' })
const sees = (writer, words) => read(writer).getByText(words).waitFor({ timeout: 20_000 })
const inBoth = async (writer, where) => {
  for (const theme of ['light', 'dark']) {
    await writer.page.evaluate((to) => { document.documentElement.dataset.theme = to }, theme)
    await writer.picture(`${where}-${theme}`)
    await writer.assertAccessible(`${where}, ${theme}`)
  }
}

test('what a rich editor wrote is read, live, and nothing is typed beside it', async () => {
  const { client, append } = await editorAt(0, 'ana', 'letter')
  append('heading', 'Minutes of Monday', { level: 1 })
  const second = append('paragraph', 'We met at nine.')
  const mia = await writerAt(1, 'mia')
  await mia.page.evaluate(() => { location.hash = '#/d/letter' })
  await mia.page.getByRole('heading', { name: 'Minutes of Monday' }).waitFor({ timeout: 20_000 })
  await sees(mia, 'We met at nine.')
  await mia.untilStatus(/^Read-only: edited elsewhere/, 20_000)
  await mia.page.getByText('Written in a rich editor: it can be read here, and edited where').waitFor()
  assert.equal(await mia.content.count(), 0)
  await until('they are counted', async () =>
    await mia.page.locator('.count').textContent() === '7 words', 20_000)

  await read(mia).click()
  await mia.page.keyboard.type('nobody sees this')
  await mia.page.keyboard.press('Control+b')
  second.insert(second.length, ' All were there.')
  await sees(mia, 'We met at nine. All were there.')
  append('paragraph', 'Next time at ten.')
  await sees(mia, 'Next time at ten.')
  assert.equal(client.doc.getText('text').toString(), '')
  for (const name of ['Lock', 'Preview']) {
    assert.ok(await mia.page.getByRole('button', { name, exact: true }).isDisabled(), name)
  }
  assert.equal(await mia.page.locator('.formats').count(), 0)
  await inBoth(mia, 'rich')
  await mia.page.setViewportSize({ width: 390, height: 844 })
  const width = await mia.page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(width <= 390, `the page is ${width} wide`)
  await inBoth(mia, 'rich-phone')
  await mia.close()
})

test('it is exported, asked about, and goes back to earlier versions as it reads', async () => {
  const { root, append } = await editorAt(0, 'ana', 'plan')
  append('paragraph', 'The first plan.')
  const token = await cluster.login('mia')
  const reading = async () => (await cluster.call('DocumentService/GetDocument',
    { document: { name: 'plan' } }, { token })).text ?? ''
  await until('it is there', async () => (await reading()).includes('The first plan.'), 20_000)
  const mia = await writerAt(2, 'mia')
  // Another person, so that it is another line of the history.
  const tom = await editorAt(1, 'tom', 'plan')
  tom.append('paragraph', 'The second plan.')
  await mia.page.evaluate(() => { location.hash = '#/d/plan' })
  await sees(mia, 'The second plan.')

  const [download] = await Promise.all([mia.page.waitForEvent('download'),
    mia.page.getByRole('button', { name: 'Export' }).click()])
  assert.equal(readFileSync(await download.path(), 'utf8'), await reading())

  await mia.page.getByRole('button', { name: 'AI', exact: true }).click()
  await mia.page.getByText('can be asked about and summarized').waitFor()
  for (const name of ['Fix grammar', 'Continue', 'Make it']) {
    assert.ok(await mia.page.getByRole('button', { name }).isDisabled(), name)
  }
  assert.ok(await mia.page.getByRole('button', { name: 'Summarize' }).isEnabled())
  await mia.page.getByRole('button', { name: 'History' }).click()
  await mia.page.locator('.version', { hasText: 'tom' }).waitFor({ timeout: 20_000 })
  await mia.page.locator('.version', { hasText: 'ana' }).first().click()
  const removed = mia.page.locator('.line-removed')
  await removed.getByText('The second plan.').waitFor({ timeout: 20_000 })
  const kept = await mia.page.locator('.line-same').allTextContents()
  assert.ok(kept.some((line) => line.includes('The first plan.')), String(kept))
  await inBoth(mia, 'rich-history')
  await mia.page.getByRole('button', { name: 'Restore this version' }).click()
  await mia.page.getByText('Restored as the newest version.').waitFor({ timeout: 20_000 })
  await until('the second plan is gone', async () =>
    await read(mia).getByText('The second plan.').count() === 0, 20_000)
  await sees(mia, 'The first plan.')
  await until('in the rich editor, too', () => !root.toString().includes('second'), 20_000)
  assert.match(root.toString(), /The first plan\./)
  await mia.close()
})

test('an open, empty page becomes a reading when a rich editor begins, also after a reload', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('begun')
  await mia.content.focus()
  const { client, append } = await editorAt(1, 'ana', 'begun')
  append('paragraph', 'Begun elsewhere.')
  await sees(mia, 'Begun elsewhere.')
  await mia.page.keyboard.type('lost?')
  await mia.page.reload()
  await sees(mia, 'Begun elsewhere.')
  await mia.context.setOffline(true)
  await mia.untilStatus(/Offline/, 20_000)
  await sees(mia, 'Begun elsewhere.')
  append('paragraph', 'Meanwhile.')
  await mia.context.setOffline(false)
  await sees(mia, 'Meanwhile.')
  assert.equal(client.doc.getText('text').toString(), '')
  await mia.close()
})

test('where somebody typed already it is what the cluster says', async () => {
  const mia = await writerAt(0, 'mia')
  // The page's words first: they are the document, whatever comes beside them.
  await mia.create('both')
  await mia.type('typed first')
  await mia.untilStatus(/Saved/, 20_000)
  const late = await editorAt(1, 'ana', 'both')
  late.append('paragraph', 'came later')
  await mia.type(', and goes on')
  await mia.untilText('typed first, and goes on')
  await until('the editor has it', () =>
    late.client.doc.getText('text').toString() === 'typed first, and goes on', 20_000)

  // The editor's first: what was typed once can be had, and is no part of it.
  const early = await editorAt(1, 'ana', 'other way')
  early.append('paragraph', 'came first')
  // Of what comes in one update, plain letters would count.
  const token = await cluster.login('mia')
  await until('the cluster has it', async () => (await cluster.call('DocumentService/GetDocument',
    { document: { name: 'other way' } }, { token })).text?.includes('came first'), 20_000)
  early.client.doc.getText('text').insert(0, 'words that nobody saw')
  await mia.page.evaluate(() => { location.hash = '#/d/other%20way' })
  await sees(mia, 'came first')
  await mia.page.getByText('What was typed on this page is no part of it.').waitFor()
  const [download] = await Promise.all([mia.page.waitForEvent('download'),
    mia.page.getByRole('button', { name: 'Export that' }).click()])
  assert.equal(readFileSync(await download.path(), 'utf8'), 'words that nobody saw')
  await mia.picture('rich-both')
  await mia.close()
})

test('the policy refused nothing, nothing failed, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
